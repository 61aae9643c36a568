"""Name the new language of a translated document: `lang` of HTML, the proofing language of Word, and the like."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from media.rewriting.html_reader import HtmlReader
from media.rewriting.packages.members import parse_xml, read_package, write_package, xml_bytes


class Languages(NamedTuple):
    """The languages of a document before and after its translation, as BCP 47 tags."""

    source: str
    target: str

    def is_source(self, tag: str) -> bool:
        """Whether a tag of any region is of the language that was translated."""
        return _primary(tag) == _primary(self.source)

    def locale(self) -> str:
        """Return the target with its usual region, such as de-DE, which office programs expect."""
        region = _REGIONS.get(self.target)
        return f"{self.target}-{region}" if region else self.target


_REGIONS = {"de": "DE", "en": "US", "es": "ES", "fr": "FR", "it": "IT", "ja": "JP", "ko": "KR", "pt": "PT", "zh": "CN"}
_HTML = frozenset((".html", ".htm", ".xhtml"))
_LANG = re.compile(r"""(\s(?:xml:)?lang\s*=\s*)("[^"]*"|'[^']*'|[^\s>"']+)""", re.IGNORECASE)
_ROOT = re.compile(r"<html(?=[\s>])", re.IGNORECASE)
_GETTEXT = re.compile(r'^"Language: ([\w-]*)\\n"$', re.MULTILINE)
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_FORMATTING = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_EAST_ASIAN = frozenset(("zh", "ja", "ko"))
_CHAPTER = re.compile(r".*\.(?:xhtml|html|htm)", re.IGNORECASE)
_MEMBERS = {
    ".docx": re.compile(r"word/[^/]+\.xml"),
    ".pptx": re.compile(r"ppt/(?:slides|notesSlides|diagrams|charts)/[^/]+\.xml|ppt/presentation\.xml"),
    ".odt": re.compile(r"(?:content|styles)\.xml"),
    ".odp": re.compile(r"(?:content|styles)\.xml"),
    ".ods": re.compile(r"(?:content|styles)\.xml"),
    ".epub": re.compile(r".*\.(?:xhtml|html|htm|opf)", re.IGNORECASE),
}


def with_language(data: bytes, ending: str, languages: Languages) -> bytes:
    """Return a translated document that names its new language wherever it named the one of before."""
    if ending in _HTML:
        return _html(data.decode(), languages).encode()
    if ending in (".po", ".pot"):
        header = _GETTEXT.sub(lambda found: f'"Language: {languages.target.replace("-", "_")}\\n"', data.decode(), 1)
        return header.encode()
    if ending not in _MEMBERS:
        return data
    members = read_package(data, lambda name: _MEMBERS[ending].fullmatch(name) is not None)
    changed: dict[str, bytes] = {}
    for name, member in members.items():
        if _CHAPTER.fullmatch(name):
            changed[name] = _html(member.decode(), languages).encode()
        elif b"lang" in member:
            root = parse_xml(member)
            for element in root.iter():
                _RELABEL[ending](element, languages)
            changed[name] = xml_bytes(root)
    return write_package(data, changed)


def _html(text: str, languages: Languages) -> str:
    """Set the language of the page, and of each element in the language of before."""
    reader = HtmlReader()
    reader.feed(text)
    reader.close()
    return "".join(
        _tag(part, languages)
        if isinstance(part, str)
        else re.sub(r"<[a-zA-Z][^<>]*>", lambda found: _tag(found[0], languages), part.source)
        for part in reader.parts
    )


def _tag(tag: str, languages: Languages) -> str:
    if not re.match(r"<[a-zA-Z][^<>]*>", tag) or "notranslate" in tag or re.search(r"translate\s*=\s*[\"']?no", tag):
        return tag
    is_root = _ROOT.match(tag) is not None

    def relabel(found: re.Match[str]) -> str:
        is_other = is_root or languages.is_source(found[2].strip("\"'"))
        return f'{found[1]}"{languages.target}"' if is_other else found[0]

    end = tag.index(">")
    head = _LANG.sub(relabel, tag[:end])
    if is_root and head == tag[:end] and not _LANG.search(head):
        head = f'{head[:5]} lang="{languages.target}"{head[5:]}'
    return head + tag[end:]


def _word(element: Any, languages: Languages) -> None:
    if element.tag != f"{_WORD}lang":
        return
    if languages.is_source(element.get(f"{_WORD}val", "")):
        element.set(f"{_WORD}val", languages.locale())
    if _primary(languages.target) in _EAST_ASIAN:
        element.set(f"{_WORD}eastAsia", languages.locale())


def _slide(element: Any, languages: Languages) -> None:
    if languages.is_source(element.get("lang", "")):
        element.set("lang", languages.locale())


def _open_document(element: Any, languages: Languages) -> None:
    if languages.is_source(element.get(f"{_FORMATTING}language", "")):
        language, _, region = languages.locale().partition("-")
        element.set(f"{_FORMATTING}language", language)
        element.set(f"{_FORMATTING}country", region)


def _book(element: Any, languages: Languages) -> None:
    if element.tag == f"{_DUBLIN_CORE}language":
        element.text = languages.target


_RELABEL: dict[str, Callable[[Any, Languages], None]] = {
    ".docx": _word,
    ".pptx": _slide,
    ".odt": _open_document,
    ".odp": _open_document,
    ".ods": _open_document,
    ".epub": _book,
}


def _primary(tag: str) -> str:
    return re.split("[-_]", tag.lower())[0]
