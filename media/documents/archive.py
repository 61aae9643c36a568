"""Open documents that are ZIP archives of XML, within limits of size and number."""

import posixpath
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from media.documents.zip_errors import ZIP_ERRORS
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import Caps

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

BROKEN = "The document cannot be read: its data is broken or cut off."
_MAX_MEMBERS = 20_000
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


class Archive:
    """An open ZIP archive whose members are read as bytes or XML."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened
        self.names = frozenset(opened.namelist())

    def read(self, name: str) -> bytes:
        """Return a member. Raises one of ZIP_ERRORS."""
        return self._opened.read(name)

    def xml(self, name: str) -> "_Element":
        """Parse a member, without entities and network. Raises UnreadableMedia."""
        return parse_xml(self.read(name))

    def relations(self, part: str) -> dict[str, str]:
        """Return the members that a part of an Office document refers to, by id."""
        folder, name = posixpath.split(part)
        rels = f"{folder}/_rels/{name}.rels".lstrip("/")
        if rels not in self.names:
            return {}
        return {
            str(relation.get("Id")): join(folder, str(relation.get("Target", "")))
            for relation in self.xml(rels).iter(_RELATION)
            if relation.get("TargetMode") != "External"
        }


@contextmanager
def open_archive(path: Path, caps: Caps) -> Generator[Archive]:
    """Open an archive. Raises UnsupportedMedia beyond the limits or if it is locked, UnreadableMedia if broken."""
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.infolist()
            if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > caps.unpacked_bytes:
                limit = f"{_MAX_MEMBERS} files or {caps.unpacked_bytes / 1e6:.0f} MB"
                raise UnsupportedMedia(f"The document unpacks to more than {limit}: split it.")
            if any(member.flag_bits & 1 for member in members):
                raise UnsupportedMedia("The document is locked with a password: save it without one.")
            yield Archive(opened)
    except ZIP_ERRORS as error:
        raise UnreadableMedia(BROKEN) from error


def parse_xml(data: bytes) -> "_Element":
    """Parse XML without entities, DTDs and network. Raises UnreadableMedia."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:  # nothing in it can be recovered
        raise UnreadableMedia(BROKEN) from error
    if root is None:
        raise UnreadableMedia(BROKEN)
    return root


def join(folder: str, target: str) -> str:
    """Resolve a relative target inside an archive."""
    return posixpath.normpath(target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target))


def local_name(tag: object) -> str:
    """Return the name of an XML tag without its namespace; empty for comments."""
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""
