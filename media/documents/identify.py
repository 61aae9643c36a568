"""Tell what kind of document a file is, and read it by its media type."""

import mimetypes
import re
from pathlib import Path

from media.documents import epub, mail, office, open_document, pdf, web_page
from media.documents.archive import Archive, open_archive
from media.documents.document import Document
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CONTENTS, Caps, MediaFacts, Property

_OFFICE = "application/vnd.openxmlformats-officedocument."
PDF, EPUB, HTML, MAIL = "application/pdf", "application/epub+zip", "text/html", "message/rfc822"
DOCX = f"{_OFFICE}wordprocessingml.document"
PPTX = f"{_OFFICE}presentationml.presentation"
XLSX = f"{_OFFICE}spreadsheetml.sheet"
_OFFICE_FOLDERS = {"word": DOCX, "ppt": PPTX, "xl": XLSX}
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_MIMETYPES = (EPUB, *(f"{_OPEN_DOCUMENT}{kind}" for kind in ("text", "presentation", "spreadsheet")))
READ_TYPES = frozenset((PDF, HTML, MAIL, DOCX, PPTX, XLSX, *_MIMETYPES))
"""The media types of documents that `read_document` reads."""
_OTHER_KINDS = {"image": "a picture", "audio": "a recording", "video": "a film"}
_HTML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE\s+html|<html[\s>]|<(?:head|body)[\s>])",
    re.IGNORECASE | re.DOTALL,
)


def identify_document(path: Path, name: str, head: bytes, caps: Caps) -> MediaFacts | None:
    """Return the facts of a document; None if it is none. Raises UnsupportedMedia, UnreadableMedia."""
    properties = dict[str, Property]()
    if b"%PDF-" in head[:1024]:
        _check_size(path, caps)
        media_type, properties = PDF, pdf.pdf_properties(path)
    elif head.startswith(b"PK\x03\x04"):
        _check_size(path, caps)
        media_type = _archive_type(path, caps)
    elif head.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnsupportedMedia("The file is an Office document of before 2007: save it as docx, xlsx or pptx.")
    elif _HTML.match(web_page.in_utf8(head)):
        media_type, properties = HTML, _page_properties(path, name, caps)
    elif mail.is_mail(head, name):
        _check_size(path, caps)
        media_type, properties = MAIL, mail.mail_properties(path)
    else:
        return None
    return MediaFacts(media_type=media_type, kind="text", name=name, properties=properties | {CONTENTS: True})


def _check_size(path: Path, caps: Caps) -> None:
    """Raise UnsupportedMedia for a document beyond the cap; called before anything of it is parsed."""
    if path.stat().st_size > caps.document_bytes:
        raise UnsupportedMedia(f"The document has more than {caps.document_bytes / 1e6:.0f} MB: split it.")


def _page_properties(path: Path, name: str, caps: Caps) -> dict[str, Property]:
    """Return the title of a web page. Raises UnsupportedMedia, and UnreadableMedia if it has no words."""
    named = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
    if named in _OTHER_KINDS:
        raise UnsupportedMedia(f"The file is named like {_OTHER_KINDS[named]} and is a web page: download it again.")
    if path.stat().st_size > caps.text_bytes:
        raise UnsupportedMedia(f"The web page has more than {caps.text_bytes / 1e6:.0f} MB: split it.")
    page = web_page.read_page(path.read_bytes())
    if not any(page.sections):
        raise UnreadableMedia("The web page has no words in it.")
    return {"title": page.title} if page.title else {}


def read_document(path: Path, media_type: str, document: Document) -> None:
    """Read a document of a known type. Raises UnsupportedMedia, UnreadableMedia."""
    if media_type == PDF:
        pdf.read_pdf(path, document)
    elif media_type == HTML:
        sections = web_page.html_sections(path.read_bytes())
        for chapter, text in enumerate(sections, 1):
            document.add_text(f"chapter={chapter}" if len(sections) > 1 else "", text)
    elif media_type == MAIL:
        mail.read_mail(path, document)
    else:
        with open_archive(path, document.caps) as archive:
            _read_archive(path, media_type, archive, document)
    if not (document.passages or document.frames or document.pictures):
        raise UnreadableMedia("The document has no words and no pictures in it.")


def _read_archive(path: Path, media_type: str, archive: Archive, document: Document) -> None:
    if media_type == DOCX:
        office.read_docx(archive, document)
    elif media_type == PPTX:
        office.read_pptx(archive, document)
    elif media_type == XLSX:
        office.read_xlsx(path, archive, document)
    elif media_type == EPUB:
        epub.read_epub(archive, document)
    else:
        open_document.read_open_document(archive, document)


def _archive_type(path: Path, caps: Caps) -> str:
    """Return the media type of an archive. Raises UnsupportedMedia if it is no document."""
    with open_archive(path, caps) as archive:
        if "[Content_Types].xml" in archive.names:
            found = _OFFICE_FOLDERS.get(office.main_part(archive).partition("/")[0])
            if found:
                return found
        if "mimetype" in archive.names:
            told = archive.read("mimetype").decode("ascii", "replace").strip().removesuffix("-template")
            if told in _MIMETYPES:
                return told
    raise UnsupportedMedia("The file is an archive: unpack it, and hand in the files that are in it.")
