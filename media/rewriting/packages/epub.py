"""Translate EPUB: its chapters, its table of contents, and the title."""

import re
from contextlib import suppress
from html import escape, unescape

from media.plain_text import decode_text
from media.rewriting.html import rewrite_html
from media.rewriting.packages.members import read_package, write_package
from media.rewriting.passages import Passage, TranslatePassages

_CHAPTER = re.compile(r".*\.(?:xhtml|html|htm)", re.IGNORECASE)
_CONTENTS = re.compile(r".*\.(?:ncx|opf)", re.IGNORECASE)
_LABEL = re.compile(r"(<(?:text|dc:title|docTitle)(?:\s[^>]*)?>)([^<]*[^\W\d_][^<]*)(?=</)")


class _Stopped(Exception):
    """The passages of a chapter are known."""


def rewrite_epub(data: bytes, translate: TranslatePassages) -> bytes:
    """Translate every chapter, and the labels of the table of contents."""
    members = read_package(data, lambda name: bool(_CHAPTER.fullmatch(name) or _CONTENTS.fullmatch(name)))
    texts = {name: decode_text(member)[0] for name, member in sorted(members.items())}
    asked = {name: _passages(name, text) for name, text in texts.items()}
    answers = iter(translate([passage for passages in asked.values() for passage in passages]))
    changed = {name: _rewritten(name, text, [next(answers) for _ in asked[name]]) for name, text in texts.items()}
    return write_package(data, {name: text.encode() for name, text in changed.items()})


def _passages(name: str, text: str) -> list[Passage]:
    if _CONTENTS.fullmatch(name):
        return [Passage(text=unescape(found[2])) for found in _LABEL.finditer(text)]
    found: list[Passage] = []

    def collect(passages: object) -> list[Passage]:
        found.extend(passages)  # pyright: ignore[reportArgumentType]
        raise _Stopped

    with suppress(_Stopped):
        rewrite_html(text, collect)
    return found


def _rewritten(name: str, text: str, answers: list[Passage]) -> str:
    if not _CONTENTS.fullmatch(name):
        return rewrite_html(text, lambda _: answers)
    rest = iter(answers)
    return _LABEL.sub(lambda found: found[1] + escape(next(rest).text, quote=False), text)
