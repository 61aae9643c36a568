"""Translate HTML and XHTML: a block is one passage, and inline tags stay around the same words.

Everything that is not translated stays as it was, byte for byte: markup, comments, scripts, and what says that it must
not be translated (`translate="no"`, the class `notranslate`).
"""

import re
from collections.abc import Iterator
from html import escape, unescape

from media.rewriting.html_reader import HtmlReader
from media.rewriting.inline import Block
from media.rewriting.passages import Passage, TranslatePassages

_TRANSLATED_ATTRIBUTES = ("alt", "title", "placeholder", "aria-label")
_ATTRIBUTE = re.compile(rf"""(\s(?:{"|".join(_TRANSLATED_ATTRIBUTES)})\s*=\s*)("[^"<>]*"|'[^'<>]*')""", re.IGNORECASE)


def rewrite_html(html: str, translate: TranslatePassages) -> str:
    """Translate the texts of a document or a fragment, and its visible attributes."""
    reader = HtmlReader()
    reader.feed(html)
    reader.close()
    blocks = [part for part in reader.parts if isinstance(part, Block) and part.has_words()]
    labels = list(dict.fromkeys(label for part in reader.parts for label in _labels(part)))
    asked = [*(block.passage() for block in blocks), *(Passage(text=label) for label in labels)]
    said = list(translate(asked))
    answers = {id(block): answer for block, answer in zip(blocks, said, strict=False)}
    names = {label: answer.text for label, answer in zip(labels, said[len(blocks) :], strict=True)}
    return "".join(
        _shown(part, answers[id(part)], names)
        if isinstance(part, Block) and id(part) in answers
        else _with_names(part if isinstance(part, str) else part.source, names)
        for part in reader.parts
    )


def _shown(block: Block, answer: Passage, names: dict[str, str]) -> str:
    """Return a block in the other language, with its tags at the places of the marks."""
    events = block.events(answer)
    inner = "".join(escape(text, quote=False) if kind == "text" else _with_names(text, names) for kind, text in events)
    left = block.text[: len(block.text) - len(block.text.lstrip())]
    right = block.text[len(block.text.rstrip()) :]
    return f"{left}{inner}{right}"


def _labels(part: str | Block) -> Iterator[str]:
    """Yield the texts of the visible attributes of tags."""
    for source in [part] if isinstance(part, str) else [tag.source for tag in part.tags]:
        if source.startswith("<") and source[1:2].isalpha() and "notranslate" not in source:
            yield from (said for found in _ATTRIBUTE.finditer(source) if (said := unescape(found[2][1:-1])).strip())


def _with_names(source: str, names: dict[str, str]) -> str:
    """Replace the texts of the visible attributes in markup."""

    def replaced(found: re.Match[str]) -> str:
        said = names.get(unescape(found[2][1:-1]))
        return found[0] if said is None else f'{found[1]}"{escape(said)}"'

    return _ATTRIBUTE.sub(replaced, source) if names else source
