"""Turn names and texts into lexemes: without accents and case, names in pieces, scripts without spaces by character.

The lexemes are made here and not by Postgres, whose own depend on the locale of its cluster.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_CHARACTERWISE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Han and Hangul: their words have no spaces, or take endings."""
_TOKEN = re.compile(rf"[{_CHARACTERWISE}]|\d+|[^\W\d_{_CHARACTERWISE}]+|[\u2190-\u2bff\U0001f000-\U0001faff]")
_WORD = re.compile(r"[^\s_\-.,;:!?()\[\]{}\"“”„«»/\\|+=&@#~*<>]+")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:([.,'’\u00a0\u202f])\d{3})(?:\1\d{3})*(?!\d|\1\d)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_POSSESSIVE = re.compile(r"['’]s\b")
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\ufe0f\u200c\u200d]")
_LETTERS = str.maketrans("øłđıæœþð", "oldiaotd")
_BODY_POSITION = 300
"""The position of the first word of a body, behind those of the name: no phrase spans both."""
_LAST_POSITION = 16_383
_LONGEST = 100
_STEM, _INSIDE = "~", "^"
"""Begin the lexeme of a stem, and of the end of a word in a name, which is found from inside the word."""
_SHORTEST_INSIDE = 3


def folded(text: str) -> str:
    """The text in one form of each character, without accents and case."""
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed)).translate(_LETTERS)


def tokens(text: str) -> list[str]:
    """Words, numbers, emoji, and the characters of scripts without spaces, in order."""
    return [token[:_LONGEST] for token in _TOKEN.findall(folded(_POSSESSIVE.sub("", text)))]


def stem(token: str) -> str:
    """The token without the plural endings of English, which are those of Spanish and French for the most part."""
    if len(token) < 4 or not token.isascii() or not token.endswith("s") or token.endswith(("ss", "us", "is")):
        return token
    if token.endswith("ies") and len(token) > 4:
        return f"{token[:-3]}y"
    return token[:-2] if token.endswith(("ses", "xes", "zes", "ches", "shes")) else token[:-1]


def exact_lexeme(token: str) -> str:
    """The lexeme of a token as it is written."""
    return token


def stem_lexeme(token: str) -> str:
    """The lexeme that a token and its plural share."""
    return _STEM + stem(token)


def inside_lexeme(token: str) -> str:
    """The beginning of the lexemes of names that contain the token."""
    return _INSIDE + token


def text_search_vector(name: str, body: str) -> str:
    """The tsvector of a part as Postgres reads it; the lexemes of the name have the weight A."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for lexeme, position in _name_lexemes(name):
        places[lexeme].append(f"{position}A")
    for position, token in enumerate(tokens(body), start=_BODY_POSITION):
        for lexeme in (exact_lexeme(token), stem_lexeme(token)):
            places[lexeme].append(str(min(position, _LAST_POSITION)))
    numbers = (quoted(number) for number in _whole_numbers(f"{name} {body}") if number not in places)
    return " ".join((*(f"{quoted(lexeme)}:{','.join(at[:200])}" for lexeme, at in places.items()), *numbers))


def _whole_numbers(text: str) -> Iterator[str]:
    """The numbers whose thousands are apart, such as 3,750 and 3.750, as 3750."""
    for number in dict.fromkeys(found[0] for found in _THOUSANDS.finditer(text)):
        yield "".join(filter(str.isdigit, number))


def quoted(lexeme: str) -> str:
    """The lexeme in quotes, as tsvector and tsquery read it."""
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _name_lexemes(name: str) -> Iterator[tuple[str, int]]:
    for position, token in enumerate(tokens(name)[:200], start=1):
        yield exact_lexeme(token), position
        yield stem_lexeme(token), position
        for start in range(1, len(token) - _SHORTEST_INSIDE + 1):
            yield inside_lexeme(token[start:]), position
    for humps in _CAMEL.split(name)[1:]:  # HolidayPhoto: its whole is above
        for token in tokens(humps)[:1]:
            yield exact_lexeme(token), _BODY_POSITION - 1


@dataclass(frozen=True)
class Word:
    """A word of a query as a person typed it, in the tokens it consists of."""

    tokens: tuple[str, ...]


def words_of(text: str) -> list[Word]:
    """The words of a query; signs alone are none."""
    found = [tuple(tokens(word)) for word in _WORD.findall(_POSSESSIVE.sub("", text))]
    return [Word(each) for each in found if each]


Span = tuple[int, int]
"""The beginning and end of a piece of a text, in characters."""


def spans_of(words: Sequence[Word], text: str, *, inside: bool = False) -> tuple[Span, ...]:
    """Where words occur in a text, with accents, in capitals or in the plural, too; `inside` words only as in names."""
    folded_text, origins = _folded_with_origins(text)
    found = list(_TOKEN.finditer(folded_text))
    stems = [stem(token[0]) for token in found]
    places: set[Span] = set()
    for word in words:
        wanted = [stem(token) for token in word.tokens]
        places |= {
            (found[at].start(), found[at + len(wanted) - 1].end())
            for at, first in enumerate(stems)
            if first == wanted[0] and stems[at : at + len(wanted)] == wanted
        }
        if inside and len(word.tokens) == 1:
            places |= set(_inside_tokens(word.tokens[0], [(token[0], token.start()) for token in found]))
    return tuple((origins[start], origins[end]) for start, end in _without_overlaps(sorted(places)))


def _inside_tokens(wanted: str, found: Sequence[tuple[str, int]]) -> Iterator[Span]:
    """Where a token is the beginning of others or, if it is long enough, inside them."""
    for token, start in found:
        at = token.find(wanted)
        if (at == 0 and len(wanted) > 1) or (at > 0 and len(wanted) >= _SHORTEST_INSIDE):
            yield start + at, start + at + len(wanted)


def _without_overlaps(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for start, end in spans:
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


def _folded_with_origins(text: str) -> tuple[str, Sequence[int]]:
    """The folded text, and for each of its characters and its end the position in the text."""
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    pieces = [_folded_character(character) for character in text]
    origins = [at for at, piece in enumerate(pieces) for _ in piece]
    return "".join(pieces), [*origins, len(text)]


_folded_character = lru_cache(maxsize=10_000)(folded)
