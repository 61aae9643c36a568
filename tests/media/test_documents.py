"""Documents are read with their pages, slides, sheets and chapters, and the pictures inside; archives have limits."""

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from media.documents.identify import READ_TYPES
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CAPS, CONTENTS
from media.identify import identify
from media.read import read_contents
from media.reading.contents import Extract
from media.sandbox import Decoders
from storage.records import DOCUMENT_TYPES
from tests.media.made.documents import DOCUMENTS, archive, docx, mail, pdf, write_documents
from tests.media.made.pictures import written

OFFICE = "application/vnd.openxmlformats-officedocument."
OPEN = "application/vnd.oasis.opendocument."
EXPECTED: dict[str, tuple[str, list[tuple[str, str]], list[str]]] = {
    "orchard.docx": (
        f"{OFFICE}wordprocessingml.document",
        [
            ("chapter=1", "Harvest\n\nThe apples were picked in September."),
            ("chapter=2", "Cellar\n\nCider ferments in oak barrels.\n\nbarrel\n\nforty litres"),
            ("", "Orchard Ltd"),
        ],
        ["chapter=2"],
    ),
    "iceland.pptx": (
        f"{OFFICE}presentationml.presentation",
        [("slide=1", "Welcome"), ("slide=2", "Volcanoes of Iceland\n\nMention the eruption of Katla.")],
        ["slide=2"],
    ),
    "prices.xlsx": (f"{OFFICE}spreadsheetml.sheet", [("sheet=Prices", "article\tprice\ncopper kettle\t49.5")], []),
    "bees.odt": (
        f"{OPEN}text",
        [("chapter=1", "Bees\n\nHoney is golden."), ("chapter=2", "Wax\n\nCandles  burn.")],
        ["chapter=2"],
    ),
    "bees.odp": (f"{OPEN}presentation", [("slide=1", "Bees"), ("slide=2", "Honey is golden.")], []),
    "bees.ods": (f"{OPEN}spreadsheet", [("sheet=Hives", "Honey\t12")], []),
    "whale.epub": (
        "application/epub+zip",
        [("chapter=1", "Sea\n\nThe whale dived."), ("chapter=2", "Land\n\nThe horse ran.")],
        ["chapter=2"],
    ),
    "clouds.html": (
        "text/html",
        [("chapter=1", "Clouds\n\nCumulus clouds are fluffy."), ("chapter=2", "Rain\n\nNimbus brings rain.")],
        [],
    ),
    "sail.eml": (
        "message/rfc822",
        [
            (
                "",
                "From: Ada <ada@example.org>\nTo: bob@example.org\nDate: Mon, 01 Jun 2015 12:30:00 +0200\n"
                "Subject: Größe der Segel\n\nThe spinnaker is torn.",
            ),
            ("", "sizes.txt\n\nMast: 12 m"),
        ],
        [""],
    ),
    "ice.pdf": (
        "application/pdf",
        [("page=1", "Glaciers carve valleys."), ("page=2", "Fjords are drowned valleys.")],
        ["page=1"],
    ),
    "scan.pdf": ("application/pdf", [], []),
}


def test_every_kind_of_document_is_read_in_the_sandbox_with_its_places(tmp_path: Path) -> None:
    decoders, read = Decoders(count=1), dict[str, object]()
    try:
        for given in write_documents(tmp_path):
            path = given.rename(given.with_name("upload"))  # a file from the bucket has no extension
            facts = decoders.identify(path, given.name)
            assert (facts.kind, facts.properties[CONTENTS]) == ("text", True)
            extract, _ = decoders.read(path, facts.media_type)
            passages = [(each.place, each.text) for each in extract.passages]
            read[given.name] = (facts.media_type, passages, [picture.place for picture in extract.pictures])
    finally:
        decoders.close()
    assert read == EXPECTED


def extract_of(folder: Path, data: bytes, name: str, **caps: int) -> Extract:
    path = written(folder, data, name)
    limits = CAPS.model_copy(update=caps)
    return read_contents(path, identify(path, name, limits).media_type, limits)[0]


def test_a_page_that_is_a_scan_is_kept_as_a_picture(tmp_path: Path) -> None:
    extract = extract_of(tmp_path, pdf(scanned=True), "scan.pdf")
    assert [frame.place for frame in extract.frames] == ["page=1"]
    assert extract.shown


def test_title_author_and_time_are_properties(tmp_path: Path) -> None:
    told = [identify(written(tmp_path, data(), name), name).properties for name, data in DOCUMENTS.items()]
    of = dict(zip(DOCUMENTS, told, strict=True))
    assert {"title": "On ice", "pages": 2, "written": "2015-06-01T12:30:00+02:00"}.items() <= of["ice.pdf"].items()
    assert of["clouds.html"]["title"] == "Clouds"
    assert (of["sail.eml"]["title"], of["sail.eml"]["author"]) == ("Größe der Segel", "Ada <ada@example.org>")


def test_a_document_past_the_limit_of_pages_is_read_up_to_there(tmp_path: Path) -> None:
    extract = extract_of(tmp_path, pdf(), "ice.pdf", document_pages=1)
    assert [each.place for each in extract.passages] == ["page=1"]
    assert extract.cut == "The first 1 pages are found."


def bomb() -> bytes:
    return archive({"[Content_Types].xml": "<Types/>", "word/document.xml": bytes(600_000_000)})


def locked() -> bytes:
    data = bytearray(docx())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    return bytes(data)


ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "apple"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
    "<w:t>one &a; &b;</w:t></w:r></w:p></w:body></w:document>"
)


def test_entities_are_not_resolved(tmp_path: Path) -> None:
    data = archive({"[Content_Types].xml": "<Types/>", "word/document.xml": ENTITIES})
    assert [each.text for each in extract_of(tmp_path, data, "a.docx").passages] == ["one"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(bomb, "unpacks to more than", id="zip bomb"),
        pytest.param(locked, "password", id="locked"),
        pytest.param(lambda: docx()[:3000], "broken or cut off", id="cut off"),
        pytest.param(lambda: pdf()[:40], "broken or cut off", id="cut off pdf"),
        pytest.param(lambda: archive({"a.txt": "words"}), "is an archive", id="any zip"),
        pytest.param(lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "before 2007", id="doc"),
        pytest.param(lambda: archive({"mimetype": "application/epub+zip"}), "broken", id="book without chapters"),
        pytest.param(
            lambda: archive({"mimetype": "application/epub+zip", "META-INF/container.xml": ""}), "broken", id="no XML"
        ),
        pytest.param(lambda: b"<!DOCTYPE html><script>1</script>", "no words", id="page without words"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path: Path, data: object, sentence: str) -> None:
    assert callable(data)
    with pytest.raises((UnreadableMedia, UnsupportedMedia), match=sentence) as refused:
        extract_of(tmp_path, data(), "upload")
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_web_page_is_read_in_the_encoding_that_it_is_marked_with(tmp_path: Path, encoding: str) -> None:
    charset = encoding.removesuffix("-sig")
    page = (
        f'<!DOCTYPE html><html><head><meta charset="{charset}"><title>Größe</title></head><body><p>Äpfel</body></html>'
    )
    path = written(tmp_path, page.encode(encoding), "page.html")
    facts = identify(path, "page.html")
    assert (facts.media_type, facts.properties["title"]) == ("text/html", "Größe")
    assert [each.text for each in read_contents(path, facts.media_type, CAPS)[0].passages] == ["Äpfel"]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_mail_that_is_a_web_page_is_read_in_the_encoding_of_its_part(tmp_path: Path, charset: str) -> None:
    message = EmailMessage()
    message["Subject"], message["Message-ID"] = "Sail", "<1@example.org>"
    message.set_content("<p>Die Größe.</p>".encode(charset), "text", "html")
    message.set_param("charset", charset)
    assert extract_of(tmp_path, message.as_bytes(), "sail.eml").passages[0].text == "Subject: Sail\n\nDie Größe."


def test_a_document_beyond_the_limit_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    for name, data in (("a.pdf", b"%PDF-1.7 broken"), ("a.docx", b"PK\x03\x04 broken"), ("a.eml", mail())):
        with pytest.raises(UnsupportedMedia, match="split it"):
            identify(written(tmp_path, data, name), name, CAPS.model_copy(update={"document_bytes": 10}))


def test_a_part_of_a_web_page_is_refused_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="part of a web page"):
        identify(written(tmp_path, b"<script>alert(1)</script> and some words"), "a.txt")


def test_the_documents_that_are_read_are_those_that_records_know() -> None:
    assert READ_TYPES - {"text/html"} == DOCUMENT_TYPES


def test_an_office_file_of_another_program_is_read_by_what_it_says_itself(tmp_path: Path) -> None:
    """Strict namespaces, and a main part under another name, as SharePoint writes it."""
    with zipfile.ZipFile(io.BytesIO(docx())) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    strict = {
        name.replace("document.xml", "document2.xml"): data.replace(b"document.xml", b"document2.xml")
        .replace(b"schemas.openxmlformats.org/wordprocessingml/2006", b"purl.oclc.org/ooxml/wordprocessingml")
        .replace(
            b'schemas.openxmlformats.org/officeDocument/2006/relationships"',
            b'purl.oclc.org/ooxml/officeDocument/relationships"',
        )
        for name, data in members.items()
    }
    extract = extract_of(tmp_path, archive(dict(strict)), "a.docx")
    assert [(each.place, each.text) for each in extract.passages] == EXPECTED["orchard.docx"][1]
    assert [picture.place for picture in extract.pictures] == ["chapter=2"]


def test_a_text_about_mail_is_no_mail(tmp_path: Path) -> None:
    texts = (b"Note: buy milk.\nTo do: call Ada.\n", b"Subject: verbs agree with it.\n\nFrom: here.\n")
    assert [identify(written(tmp_path, text), "notes.txt").media_type for text in texts] == ["text/plain"] * 2
    assert identify(written(tmp_path, mail()), "a.txt").media_type == "message/rfc822"


def test_members_that_lie_about_their_size_are_refused(tmp_path: Path) -> None:
    data = bytearray(archive({"[Content_Types].xml": "<Types/>", "word/document.xml": bytes(50_000)}))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        offset = opened.start_dir
    at = data.rfind(b"word/document.xml") - 46
    assert at >= offset
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    with pytest.raises((UnreadableMedia, UnsupportedMedia)):
        extract_of(tmp_path, bytes(data), "a.docx")
