"""Read Office documents (docx, pptx, xlsx): text by chapter, slide and sheet, and the pictures inside."""

import io
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.documents.archive import Archive, local_name
from media.documents.document import Document
from media.errors import UnreadableMedia

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADINGS = ("heading 1", "heading 2", "title")
_BESIDE = ("footnotes", "endnotes", "comments", "header", "footer")
_MAX_CELLS = 500_000


def read_docx(archive: Archive, document: Document) -> None:
    """Read a Word document. A heading begins a chapter; notes, headers and comments come last."""
    headings = _heading_styles(archive)
    relations = archive.relations("word/document.xml")
    chapter, lines = 1, list[str]()
    for paragraph in _paragraphs(archive.xml("word/document.xml")):
        if lines and _style(paragraph) in headings:
            document.add_text(f"chapter={chapter}", "\n\n".join(lines))
            chapter, lines = chapter + 1, []
        lines.append(_text_of(paragraph))
        _add_pictures(archive, paragraph, relations, f"chapter={chapter}", document)
    document.add_text(f"chapter={chapter}", "\n\n".join(lines))
    for name in sorted(archive.names):
        folder, base = posixpath.split(name)
        if folder == "word" and base.startswith(_BESIDE) and base.endswith(".xml"):
            document.add_text("", "\n\n".join(_text_of(each) for each in _paragraphs(archive.xml(name))))


def read_pptx(archive: Archive, document: Document) -> None:
    """Read a presentation: the words of each slide and its notes."""
    for number, part in enumerate(_slides(archive), 1):
        if document.too_long(number, "slides"):
            break
        relations, slide = archive.relations(part), archive.xml(part)
        words = [_text_of(paragraph) for paragraph in _paragraphs(slide)]
        for target in relations.values():
            if "/notesSlides/" in target and target in archive.names:
                words += [_text_of(paragraph) for paragraph in _paragraphs(archive.xml(target))]
        document.add_text(f"slide={number}", "\n\n".join(word for word in words if word.strip()))
        _add_pictures(archive, slide, relations, f"slide={number}", document)


def read_xlsx(path: Path, archive: Archive, document: Document) -> None:
    """Read a workbook: the values of each sheet, a line for each row. Raises UnreadableMedia."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    cells = 0
    try:
        # as bytes: by its name, openpyxl would refuse a file without the right extension
        file = io.BytesIO(path.read_bytes())
        book: Any = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        for number, sheet in enumerate(book.worksheets, 1):
            if document.too_long(number, "sheets") or cells > _MAX_CELLS:
                break
            lines = list[str]()
            for row in sheet.iter_rows(values_only=True):
                cells += len(row)
                lines.append("\t".join(_cell(value) for value in row).rstrip())
                if cells > _MAX_CELLS:
                    document.cut = f"The first {_MAX_CELLS} cells are found."
                    break
            document.add_text(f"sheet={sheet.title}", _blocks(lines))
    except (InvalidFileException, TypeError, ValueError, LookupError, AttributeError) as error:
        raise UnreadableMedia("The workbook cannot be read: its data is broken.") from error
    for name in sorted(archive.names):
        if name.startswith("xl/media/"):
            document.add_picture(archive.read(name), name=posixpath.basename(name))


def _blocks(lines: list[str]) -> str:
    """Join rows so that a passage is a few whole rows: a blank line after every tenth."""
    full = [line for line in lines if line.strip()]
    return "\n\n".join("\n".join(full[start : start + 10]) for start in range(0, len(full), 10))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else " ".join(str(value).split())


def _heading_styles(archive: Archive) -> set[str]:
    """The ids of the styles that are headings; their names are English in every language of Word."""
    if "word/styles.xml" not in archive.names:
        return set()
    found = set[str]()
    for style in archive.xml("word/styles.xml").iter(f"{_WORD}style"):
        name = style.find(f"{_WORD}name")
        if name is not None and str(name.get(f"{_WORD}val", "")).lower().startswith(_HEADINGS):
            found.add(str(style.get(f"{_WORD}styleId")))
    return found


def _style(paragraph: "_Element") -> str:
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    return str(style.get(f"{_WORD}val")) if style is not None else ""


def _slides(archive: Archive) -> Iterator[str]:
    """Yield the members that are slides, in the order of the presentation."""
    relations = archive.relations("ppt/presentation.xml")
    for element in archive.xml("ppt/presentation.xml").iter():
        if local_name(element.tag) == "sldId":
            part = relations.get(str(element.get(f"{_RELATION}id")), "")
            if part in archive.names:
                yield part


def _paragraphs(root: "_Element") -> Iterator["_Element"]:
    """Yield the paragraphs of Word's and of drawings' kind, without the copies that stand in for older programs."""
    for element in root.iter():
        if local_name(element.tag) == "p" and not any(above.tag == _FALLBACK for above in element.iterancestors()):
            yield element


def _text_of(paragraph: "_Element") -> str:
    """Return the words of a paragraph itself; those of paragraphs in it (text boxes) come on their own."""
    words = list[str]()
    for element in paragraph.iter():
        if next((above for above in element.iterancestors() if local_name(above.tag) == "p"), None) is not paragraph:
            continue
        name = local_name(element.tag)
        words.append((element.text or "") if name == "t" else {"tab": "\t", "br": "\n", "cr": "\n"}.get(name, ""))
    return "".join(words)


def _add_pictures(
    archive: Archive, element: "_Element", relations: dict[str, str], place: str, document: Document
) -> None:
    for blip in element.iter():
        target = relations.get(str(blip.get(f"{_RELATION}embed") or blip.get(f"{_RELATION}id")), "")
        if local_name(blip.tag) in ("blip", "imagedata") and target in archive.names:
            document.add_picture(archive.read(target), place, posixpath.basename(target))
