"""Read EPUB books: the text of each chapter in reading order, and the pictures inside."""

import posixpath
from urllib.parse import unquote

from media.documents.archive import Archive, join, local_name
from media.documents.document import Document
from media.documents.web_page import html_sections
from media.errors import UnreadableMedia


def read_epub(archive: Archive, document: Document) -> None:
    """Read a book. Raises UnreadableMedia if it does not say what its chapters are."""
    package = _package(archive)
    folder = posixpath.dirname(package)
    root = archive.xml(package)
    members = {
        str(item.get("id")): join(folder, unquote(str(item.get("href", ""))))
        for item in root.iter()
        if local_name(item.tag) == "item"
    }
    spine = [members.get(str(item.get("idref")), "") for item in root.iter() if local_name(item.tag) == "itemref"]
    chapter = 0
    for member in spine:
        if member not in archive.names:
            continue
        chapter = _read_member(archive, member, chapter, document)
        if document.too_long(chapter, "chapters"):
            break


def _read_member(archive: Archive, member: str, chapter: int, document: Document) -> int:
    """Read a file of the book, whose headings begin chapters; return the number of the last one."""
    found: list[tuple[str, int]] = []
    sections = html_sections(archive.read(member), lambda source, section: found.append((source, section)))
    numbers = list[int]()
    for section in sections:
        chapter += bool(section)
        numbers.append(max(chapter, 1))
        document.add_text(f"chapter={chapter}", section)
    for source, section in found:
        target = join(posixpath.dirname(member), unquote(source))
        if target in archive.names:
            document.add_picture(archive.read(target), f"chapter={numbers[section - 1]}", posixpath.basename(target))
    return chapter


def _package(archive: Archive) -> str:
    for element in archive.xml("META-INF/container.xml").iter():
        path = str(element.get("full-path", ""))
        if local_name(element.tag) == "rootfile" and path in archive.names:
            return path
    raise UnreadableMedia("The book does not say where its chapters are.")
