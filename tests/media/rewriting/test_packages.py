"""Documents that are ZIP packages: whatever is damaged in one, it is refused in one sentence."""

import io
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest

from media.errors import ItemError
from media.rewriting.rewrite import outline, rewrite
from tests.media.made.documents import archive, docx

TEXT = (
    '<document xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><text:p>Honey is golden.</text:p></document>'
)
PACKAGES = {
    ".docx": ("word/document.xml", docx),
    ".odt": ("content.xml", lambda: archive({"content.xml": TEXT})),
    ".epub": ("a.xhtml", lambda: archive({"a.xhtml": "<p>It was cold.</p>"})),
}


def damaged(data: bytes, name: str, damage: str) -> bytes:
    """A package in which a member has broken data, an unknown compression, a lying size, or is said to be locked."""
    with ZipFile(io.BytesIO(data)) as package:
        members = {each: package.read(each) for each in package.namelist()}
    written = io.BytesIO()
    with ZipFile(written, "w", ZIP_LZMA if damage == "lzma" else ZIP_DEFLATED) as package:
        for each, content in members.items():
            package.writestr(each, content)
        header = package.getinfo(name).header_offset
    broken = bytearray(written.getvalue())
    entry = broken.rfind(name.encode()) - 46  # in the central directory
    start = header + 30 + len(name)
    if damage in ("data", "lzma"):
        broken[start + 4 : start + 12] = b"\xff" * 8
    elif damage == "method":
        broken[entry + 10] = broken[header + 8] = 97
    elif damage == "size":
        broken[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    else:
        broken[entry + 8] |= 1
    return bytes(broken)


@pytest.mark.parametrize("damage", ["data", "lzma", "method", "size", "locked"])
@pytest.mark.parametrize("ending", list(PACKAGES))
def test_a_package_with_a_damaged_member_is_refused_in_a_sentence(ending: str, damage: str) -> None:
    name, make = PACKAGES[ending]
    data = damaged(make(), name, damage)
    with pytest.raises(ItemError, match=r"\.$"):
        outline(data, ending)


def test_a_package_with_a_damaged_picture_is_refused_when_it_is_written() -> None:
    whole = archive({"content.xml": TEXT, "Pictures/a.png": "pixels" * 100})
    broken = damaged(whole, "Pictures/a.png", "data")
    with pytest.raises(ItemError, match="no package that can be read"):
        rewrite(broken, ".odt", outline(broken, ".odt"))
