"""Documents that are ZIP packages: whatever is damaged in one, it is refused in one sentence."""

import io
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest

from media.errors import ItemError
from media.rewriting.language_tags import Languages, with_language
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


PAGES = {
    '<html lang="en-US"><p lang="en">A</p><p lang="fr">B</p>': '<html lang="de"><p lang="de">A</p><p lang="fr">B</p>',
    "<HTML><body>A <i lang=en>b</i>": '<HTML lang="de"><body>A <i lang="de">b</i>',
    '<p>A <b translate="no" lang="en">b</b></p>': '<p>A <b translate="no" lang="en">b</b></p>',
    '<html xml:lang="en" xmlns="x">A<script>"<p lang=\'en\'>"</script>': (
        '<html xml:lang="de" xmlns="x">A<script>"<p lang=\'en\'>"</script>'
    ),
}


@pytest.mark.parametrize("page", list(PAGES))
def test_a_page_says_its_new_language_and_quotations_in_others_stay(page: str) -> None:
    written = rewrite(page.encode(), ".html", outline(page.encode(), ".html"), Languages("en", "de"))
    assert written.decode() == PAGES[page]


def test_office_documents_books_and_catalogues_say_their_new_language() -> None:
    word = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">%s</w:document>'
    lang = '<w:lang w:val="en-US"/>'
    opf = '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:language>en</dc:language></package>'
    documents = {
        ".docx": (archive({"word/styles.xml": word % lang}), "word/styles.xml", 'w:val="de-DE"'),
        ".epub": (archive({"a.opf": opf}), "a.opf", "<dc:language>de</dc:language>"),
    }
    for ending, (data, name, expected) in documents.items():
        written = with_language(data, ending, Languages("en", "de"))
        assert expected in ZipFile(io.BytesIO(written)).read(name).decode()
    po = b'msgid ""\nmsgstr ""\n"Language: \\n"\n'
    assert b'"Language: pt_BR\\n"' in with_language(po, ".po", Languages("en", "pt-BR"))
