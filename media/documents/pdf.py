"""Read PDF files: the text of each page, pictures inside, and pages without text as pictures."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from media.documents.document import Document
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import Property
from media.images.exif import iso_time
from media.reading.contents import Rendering

_PAGE_SIDE = 1600
"""Pixels of the longer side of a rendered page: enough to read it."""
_MAX_RENDERED = 300
_MIN_CHARACTERS = 16
"""A page with fewer is a scan, perhaps with a stamp: it is kept as a picture."""
_MIN_SIDE, _MAX_PIXELS = 64, 50_000_000


def pdf_properties(path: Path) -> dict[str, Property]:
    """Return the number of pages, and title and author if given. Raises UnsupportedMedia, UnreadableMedia."""
    with _opened(path) as pdf:
        properties: dict[str, Property] = {"pages": len(pdf)}
        if len(pdf) == 0:
            raise UnreadableMedia("The PDF has no pages.")
        metadata = pdf.get_metadata_dict(skip_empty=True)
    for key in ("Title", "Author"):
        if value := "".join(c for c in metadata.get(key, "") if c.isprintable()).strip():
            properties[key.lower()] = value[:200]
    created = iso_time(_written(metadata.get("CreationDate", "")))
    return properties | ({"written": created} if created else {})


def read_pdf(path: Path, document: Document) -> None:
    """Read the pages of a PDF into a document. Raises UnsupportedMedia, UnreadableMedia."""
    with _opened(path) as pdf:
        for number in range(1, len(pdf) + 1):
            if document.too_long(number, "pages"):
                break
            _read_page(pdf[number - 1], number, document)


def _read_page(page: Any, number: int, document: Document) -> None:
    import pypdfium2

    place = f"page={number}"
    try:
        text = page.get_textpage().get_text_range().replace("\ufffe\r\n", "").replace("\x02\r\n", "")
        document.add_text(place, text)
        is_scan = len(text.strip()) < _MIN_CHARACTERS
        if number == 1 or (is_scan and len(document.frames) < _MAX_RENDERED):
            rendering = Rendering(blob=document.blobs.add(_rendered(page)), place=place)
            document.shown = document.shown or rendering
            document.frames += [rendering] if is_scan else []
        if not is_scan:
            _add_pictures(page, place, document)
    except pypdfium2.PdfiumError:
        return  # the other pages are read
    finally:
        page.close()


def _rendered(page: Any) -> bytes:
    width, height = page.get_size()
    scale = _PAGE_SIDE / max(width, height, 1)
    picture = page.render(scale=min(scale, 4.0), may_draw_forms=False).to_pil().convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _add_pictures(page: Any, place: str, document: Document) -> None:
    import pypdfium2
    from pypdfium2 import raw

    for image in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=5):
        if document.blobs.full:
            return
        try:
            width, height = image.get_px_size()
            if min(width, height) < _MIN_SIDE or width * height > _MAX_PIXELS:
                continue
            document.add_picture(_picture(image), place)
        except (pypdfium2.PdfiumError, OSError, ValueError):
            continue


def _picture(image: Any) -> bytes:
    if image.get_filters() == ["DCTDecode"]:
        return bytes(image.get_data(decode_simple=False))
    picture = image.get_bitmap(render=False).to_pil()
    file = io.BytesIO()
    picture.convert("RGB" if picture.mode not in ("L", "1") else "L").save(file, "PNG")
    return file.getvalue()


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnsupportedMedia("The PDF is locked with a password: save it without one.") from error
        raise UnreadableMedia("The PDF cannot be opened: its data is broken or cut off.") from error
    try:
        yield pdf
    except pypdfium2.PdfiumError as error:
        raise UnreadableMedia("The PDF cannot be read: its data is broken.") from error
    finally:
        pdf.close()


def _written(stamp: str) -> str:
    """D:20150601123000+02'00' as 2015-06-01 12:30:00+02:00."""
    digits = stamp.removeprefix("D:")
    if len(digits) < 14 or not digits[:14].isdigit():
        return ""
    zone = digits[14:].replace("'", ":").strip(":")
    day, time = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", f"{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    return f"{day} {time}{zone}"
