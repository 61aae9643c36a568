"""Excerpts of search hits with the words of the query highlighted."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from flows.index.search_report import cut_around_marks
from storage.index.lexemes import Span, spans_of
from storage.index.word_query import parse_query, telling_words

_MAX_CHARACTERS = 320


def highlight(text: str, words: str) -> Markup:
    """Escape the text as HTML and enclose the words of the query in <mark>."""
    return _marked(text, _marks(text, words))


def highlight_name(name: str, words: str) -> Markup:
    """Escape a name as HTML and enclose the words of the query in <mark>, inside words, too."""
    return _marked(name, _marks(name, words, inside=True))


def excerpt(text: str, words: str) -> Markup:
    """Cut out at most 320 characters around the first match, with all matches highlighted."""
    line = " ".join(text.split())
    return _marked(*cut_around_marks(line, _marks(line, words), _MAX_CHARACTERS))


def _marks(text: str, words: str, *, inside: bool = False) -> Sequence[Span]:
    """Where the words that a query wants stand in a text; `inside` other words, too."""
    return spans_of(telling_words(parse_query(words).wanted), text, inside=inside) if words else ()


def _marked(text: str, marks: Sequence[Span]) -> Markup:
    pieces: list[Markup] = []
    at = 0
    for start, end in marks:
        pieces += [escape(text[at:start]), Markup("<mark>{}</mark>").format(text[start:end])]
        at = end
    return Markup("").join([*pieces, escape(text[at:])])
