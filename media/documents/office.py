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

_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADINGS = ("heading 1", "heading 2", "title")
_FOLDERS = ("word/", "ppt/", "xl/")
_USUAL = ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml")
_BESIDE = ("footnotes", "endnotes", "comments", "header", "footer")
_MAX_CELLS = 500_000


def main_part(archive: Archive) -> str:
    """Return the member that the others belong to, such as word/document.xml; empty if the archive is no document.

    Programs name it as they like: what the archive itself says counts.
    """
    known = [part for part in archive.relations("").values() if part.startswith(_FOLDERS) and part in archive.names]
    usual = [part for part in _USUAL if part in archive.names]
    return next((part for part in (*known, *usual) if part.endswith((".xml", ".bin"))), "")


def read_docx(archive: Archive, document: Document) -> None:
    """Read a Word document. A heading begins a chapter; notes, headers and comments come last."""
    headings, part = _heading_styles(archive), main_part(archive)
    relations = archive.relations(part)
    chapter, lines = 1, list[str]()
    for paragraph in _paragraphs(archive.xml(part)):
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
    except (InvalidFileException, SyntaxError, TypeError, ValueError, LookupError, AttributeError) as error:
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
    for style in archive.xml("word/styles.xml").iter():
        names = [_value(child, "val").lower() for child in style if local_name(child.tag) == "name"]
        if local_name(style.tag) == "style" and any(name.startswith(_HEADINGS) for name in names):
            found.add(_value(style, "styleId"))
    return found


def _style(paragraph: "_Element") -> str:
    return next((_value(each, "val") for each in paragraph.iter() if local_name(each.tag) == "pStyle"), "")


def _value(element: "_Element", name: str) -> str:
    """The attribute with this name, whatever its namespace: "strict" documents have others."""
    return next((str(value) for key, value in element.attrib.items() if local_name(str(key)) == name), "")


def _reference(element: "_Element", *names: str) -> str:
    """The id of the relation that an element refers to, under one of these names."""
    references = {
        local_name(str(key)): str(value) for key, value in element.attrib.items() if "relationships}" in str(key)
    }
    return next((references[name] for name in names if name in references), "")


def _slides(archive: Archive) -> Iterator[str]:
    """Yield the members that are slides, in the order of the presentation."""
    presentation = main_part(archive)
    relations = archive.relations(presentation)
    for element in archive.xml(presentation).iter():
        if local_name(element.tag) == "sldId":
            part = relations.get(_reference(element, "id"), "")
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
        target = relations.get(_reference(blip, "embed", "id"), "")
        if local_name(blip.tag) in ("blip", "imagedata") and target in archive.names:
            document.add_picture(archive.read(target), place, posixpath.basename(target))
