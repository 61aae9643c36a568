"""Documents that are ZIP packages of XML: read their members within limits, and write them again."""

import io
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from media.documents.zip_errors import ZIP_ERRORS
from media.errors import UnreadableMedia, UnsupportedMedia

_MOST_BYTES = 300_000_000
"""Of the members of a package, unpacked."""
_MOST_MEMBERS = 20_000


def read_package(data: bytes, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the wanted members of a package by name. Raises UnreadableMedia, UnsupportedMedia."""
    with _one_sentence(), zipfile.ZipFile(io.BytesIO(data)) as package:
        members = package.infolist()
        if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _MOST_BYTES:
            raise UnsupportedMedia(f"The document has more than {_MOST_BYTES / 1e6:.0f} MB unpacked.")
        if any(member.flag_bits & 1 for member in members):
            raise UnsupportedMedia("The document is encrypted: save it without a password.")
        return {member.filename: package.read(member) for member in members if is_wanted(member.filename)}


def write_package(data: bytes, changed: dict[str, bytes]) -> bytes:
    """Return a package with other bytes in some of its members; order, times and compression stay.

    Raises UnreadableMedia if a member is damaged.
    """
    written = io.BytesIO()
    with _one_sentence(), zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(written, "w") as copy:
        for member in package.infolist():
            content = changed.get(member.filename)
            copy.writestr(member, package.read(member) if content is None else content, member.compress_type)
    return written.getvalue()


@contextmanager
def _one_sentence() -> Generator[None]:
    """Raise UnreadableMedia for whatever a damaged package raises."""
    try:
        yield
    except ZIP_ERRORS as error:
        raise UnreadableMedia("The document is no package that can be read: its data is broken or cut off.") from error


def parse_xml(data: bytes) -> Any:
    """Parse XML without entities and network. Raises UnreadableMedia."""
    from lxml import etree

    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=False))
    except etree.XMLSyntaxError as error:
        raise UnreadableMedia("The document has XML in it that cannot be read.") from error


def xml_bytes(root: Any) -> bytes:
    """Serialise a document with its declaration."""
    from lxml import etree

    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8", standalone=True)
