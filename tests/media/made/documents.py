"""Documents made for tests, with the programs' own libraries where there are some."""

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

from PIL import Image, ImageDraw

from tests.media.made.pictures import encoded, half_and_half


def photo() -> bytes:
    return encoded(half_and_half((120, 90)), "PNG")


def docx() -> bytes:
    import docx as library

    document = library.Document()
    document.add_heading("Harvest", 1)
    document.add_paragraph("The apples were picked in September.")
    document.add_heading("Cellar", 1)
    document.add_paragraph("Cider ferments in oak barrels.")
    document.add_picture(io.BytesIO(photo()))
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "barrel", "forty litres"
    document.sections[0].footer.paragraphs[0].text = "Orchard Ltd"
    return saved(document)


def pptx() -> bytes:
    import pptx as library

    presentation = library.Presentation()
    for title in ("Welcome", "Volcanoes of Iceland"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = title
    slide.shapes.add_picture(io.BytesIO(photo()), 0, 0)
    slide.notes_slide.notes_text_frame.text = "Mention the eruption of Katla."
    return saved(presentation)


def xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Prices"
    book.active.append(["article", "price"])
    book.active.append(["copper kettle", 49.5])
    book.create_sheet("Empty")
    return saved(book)


def saved(document: object) -> bytes:
    file = io.BytesIO()
    document.save(file)  # pyright: ignore
    return file.getvalue()


def archive(members: dict[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return file.getvalue()


_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{uri}:1.0"'
    for name, uri in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
)


def open_document(kind: str) -> bytes:
    bodies = {
        "text": '<office:text><text:h text:outline-level="1">Bees</text:h><text:p>Honey is '
        '<text:span>golden</text:span>.</text:p><text:h text:outline-level="1">Wax</text:h>'
        '<text:p>Candles<text:s text:c="2"/>burn.'
        '<draw:frame><draw:image xlink:href="Pictures/a.png"/></draw:frame></text:p></office:text>',
        "presentation": "<office:presentation><draw:page><text:p>Bees</text:p></draw:page>"
        "<draw:page><text:p>Honey is golden.</text:p></draw:page></office:presentation>",
        "spreadsheet": '<office:spreadsheet><table:table table:name="Hives"><table:table-row><table:table-cell>'
        "<text:p>Honey</text:p></table:table-cell><table:table-cell><text:p>12</text:p></table:table-cell>"
        "</table:table-row></table:table></office:spreadsheet>",
    }
    content = (
        f'<?xml version="1.0"?><office:document-content {_SPACES} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<office:body>{bodies[kind]}</office:body></office:document-content>"
    )
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    return archive({"mimetype": mimetype, "content.xml": content, "Pictures/a.png": photo()})


def epub() -> bytes:
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OPS/book.opf"/></container>',
            "OPS/book.opf": '<package><manifest><item id="b" href="two%20.xhtml"/><item id="a" href="one.xhtml"/>'
            '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "OPS/one.xhtml": "<html><head><title>x</title></head><body><h1>Sea</h1><p>The whale dived.</p></body>",
            "OPS/two .xhtml": '<html><body><h1>Land</h1><p>The horse&nbsp;ran.</p><img src="a.png"/></body></html>',
            "OPS/a.png": photo(),
        }
    )


HTML = (
    b"<!DOCTYPE html><html><head><title>Clouds</title><style>p { color: red }</style></head><body><h1>Clouds</h1>"
    b"<p>Cumulus clouds are <b>fluf</b>fy.</p><script>alert('x')</script><h2>Rain</h2><p>Nimbus brings rain.</p></body>"
)


def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ada <ada@example.org>", "bob@example.org", "Größe der Segel"
    message["Date"], message["Message-ID"] = "Mon, 01 Jun 2015 12:30:00 +0200", "<1@example.org>"
    message.set_content("The spinnaker is torn.\n")
    message.add_alternative("<p>The spinnaker is <b>torn</b>.</p>", subtype="html")
    message.add_attachment(photo(), maintype="image", subtype="png", filename="sail.png")
    message.add_attachment("Mast: 12 m", filename="sizes.txt")
    return message.as_bytes()


def pdf(*, scanned: bool = False) -> bytes:
    """Two pages: words and a photo, then words; or, scanned, one page that is a picture of words."""
    if scanned:
        page = Image.new("RGB", (800, 600), "white")
        ImageDraw.Draw(page).text((100, 200), "LIGHTHOUSE", fill="black", font_size=90)
        return encoded(page, "PDF")
    pages = (
        b"BT /F1 18 Tf 50 700 Td (Glaciers carve valleys.) Tj ET q 200 0 0 150 50 400 cm /I1 Do Q",
        b"BT /F1 18 Tf 50 700 Td (Fjords are drowned valleys.) Tj ET",
    )
    picture = half_and_half((120, 90))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        *(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 7 0 R >> /XObject << /I1 8 0 R >> >> >>" % number
            for number in (5, 6)
        ),
        *(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page) for page in pages),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /XObject /Subtype /Image /Width 120 /Height 90 /ColorSpace /DeviceRGB /BitsPerComponent 8 "
        b"/Length %d >>\nstream\n%s\nendstream" % (len(picture.tobytes()), picture.tobytes()),
        b"<< /Title (On ice) /CreationDate (D:20150601123000+02'00') >>",
    ]
    data, places = b"%PDF-1.7\n", list[int]()
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 9 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(data))
    return data + head + table + trailer


DOCUMENTS = {
    "orchard.docx": docx,
    "iceland.pptx": pptx,
    "prices.xlsx": xlsx,
    "bees.odt": lambda: open_document("text"),
    "bees.odp": lambda: open_document("presentation"),
    "bees.ods": lambda: open_document("spreadsheet"),
    "whale.epub": epub,
    "clouds.html": lambda: HTML,
    "sail.eml": mail,
    "ice.pdf": pdf,
    "scan.pdf": lambda: pdf(scanned=True),
}


def write_documents(folder: Path) -> list[Path]:
    """Write one document of each kind."""
    paths = [folder / name for name in DOCUMENTS]
    for path in paths:
        path.write_bytes(DOCUMENTS[path.name]())
    return paths
