"""What a person typed: the words to look for, phrases in quotes, and what to leave out; and which parts have them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from psycopg import sql

from storage.index.lexemes import Word, exact_lexeme, inside_lexeme, quoted, stem_lexeme, tokens, words_of

_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]+)[\"”“»]")
_MARKS = '"“”„«»'
_NAME = re.compile(r"(?<!\S)(?:file)?name:(?:[\"“„«]([^\"“”„«»]+)[\"”“»]|(\S+))", re.IGNORECASE)
_MINUS = re.compile(
    r"(?<!\S)[-−–](?:[\"“„«]([^\"“”„«»]+)[\"”“»]|(?=[^\W\d]|\d{3}|[\u2190-\u2bff\U0001f000-\U0001faff])(\S+))"
)
"""A minus before a word, an emoji or a number of three digits, such as in "-2231"; "-5" is a temperature."""
_WITHOUT_WORDS = r"(?:without(?: any)?|ohne|sans|sin|senza|sem|zonder|без)"
_WITHOUT = re.compile(
    rf"(?:(?<!\S){_WITHOUT_WORDS}\s+((?:(?!\s{_WITHOUT_WORDS}\s)[^,;.])+))|(?:没有|不含|沒有)([^,，。]+)",
    re.IGNORECASE,
)
_OR = re.compile(r"\s+(?:OR|ODER|OU|\|)\s+")
_COMMON_WORDS = (
    "a an and at by for from in into is it of on or the to with der die das ein eine einen einer und im am mit von zu "
    "le la les un une des et du de en el los las una y con por para il lo di e"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_MAX_WORDS = 24
_FEWEST_FOR_SOME, _MOST_FOR_SOME = 3, 8
_MOST_MATCHES = 2000
_EVIDENCE = {"written_in_name": 0.97, "in_name": 0.95, "phrase": 0.93, "written": 0.85, "anywhere": 0.75, "some": 0.3}
"""How probable it is that a part with the words is what was asked for: by where and how they occur."""


@dataclass(frozen=True)
class ParsedQuery:
    """A query in its parts; `wanted` and `unwanted` are embedded, the others are matched literally."""

    wanted: str
    unwanted: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class WordQuery:
    """The text search queries of a search. An empty string is no query.

    `some` finds every part that two of the words occur in, if there are more; `anywhere` those with all of them, at
    least inside words of the name. The others say how well: as a phrase, as written, in the name. `required` and
    `excluded` limit the results. `words` are those that are marked in results.
    """

    anywhere: str
    some: str = ""
    phrase: str = ""
    written: str = ""
    in_name: str = ""
    required: str = ""
    excluded: str = ""
    words: tuple[Word, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Read quotes, a minus before a word, `name:`, and words such as "without". What is left is what to look for.

    `wanted` is empty if nothing is left that could be looked for, as of signs alone.
    """
    excluded = tuple(found[1] or found[2] for found in _MINUS.finditer(text))
    kept = _MINUS.sub(" ", text)
    names = tuple(found[1] or found[2] for found in _NAME.finditer(kept) if tokens(found[1] or found[2]))
    kept = _NAME.sub(lambda found: f" {found[1] or found[2]}", kept)
    phrases = tuple(found[1] for found in _QUOTED.finditer(kept) if tokens(found[1]))
    kept = _plain(kept)
    unwanted = tuple((found[1] or found[2]).strip() for found in _WITHOUT.finditer(kept))
    wanted = _plain(_WITHOUT.sub(" ", kept))
    if not tokens(wanted):  # such as "without dogs": the words are meant as they stand
        wanted, unwanted = kept, ()
    return ParsedQuery(
        wanted=wanted if tokens(wanted) else "",
        unwanted=unwanted + tuple(_plain(each) for each in excluded),
        phrases=phrases,
        excluded=excluded,
        names=names,
    )


def _plain(text: str) -> str:
    """The text without quotes, and with single spaces."""
    return " ".join(re.sub(f"[{_MARKS}]", " ", text).split())


def word_query(parsed: ParsedQuery, literal: str) -> WordQuery:
    """The text search queries of a parsed query. `literal` are the words that should occur."""
    words, telling = words_of(literal)[:_MAX_WORDS], telling_words(literal)
    alternatives = [telling_words(each) for each in _OR.split(literal)][:_MAX_WORDS]
    stems, inside = (_any(*(_all(each, form) for each in alternatives)) for form in (_stems, _inside_name))
    return WordQuery(
        anywhere=_any(stems, inside),
        some=_some(telling),
        phrase=_adjacent([token for word in words for token in word.tokens], exact_lexeme) if words else "",
        written=_all(telling, lambda word: _adjacent(word.tokens, exact_lexeme)),
        in_name=_all(telling, lambda word: _any(*(_adjacent(word.tokens, form, "A") for form in _FORMS))),
        required=" & ".join(
            [
                *(_adjacent(_tokens(phrase), exact_lexeme) for phrase in parsed.phrases),
                *(_beginning_in_name(_tokens(name)) for name in parsed.names),
            ]
        ),
        excluded=_any(*(_adjacent(_tokens(text), stem_lexeme) for text in parsed.excluded)),
        words=tuple(telling),
    )


def telling_words(literal: str) -> list[Word]:
    """The words without the commonest, such as "the"; all of them if there are no others."""
    words = words_of(literal)[:_MAX_WORDS]
    return [word for word in words if not _is_common(word)] or words


def word_matches(words: WordQuery, condition: sql.Composed, values: dict[str, Any]) -> sql.Composed:
    """The parts with the words, and how probable each match makes a hit."""
    values["words"] = words.required or " | ".join(f"({query})" for query in (words.anywhere, words.some) if query)
    levels = [
        (_both(words.written, words.in_name), "written_in_name"),
        (words.in_name, "in_name"),
        (words.phrase, "phrase"),
        (words.written, "written"),
        (words.anywhere, "anywhere"),
        (words.some, "some"),
    ]
    if words.required:
        levels.append((words.required, "phrase"))
    whens: list[sql.Composable] = []
    for number, (query, evidence) in enumerate(levels):
        if query:
            values[f"level_{number}"] = query
            whens.append(
                sql.SQL("when p.words @@ {}::tsquery then {}").format(
                    sql.Placeholder(f"level_{number}"), sql.Literal(_EVIDENCE[evidence])
                )
            )
    return sql.SQL(
        "(select p.id as part, p.artifact, p.kind, case {} else 0.5 end::float8 as evidence from parts p "
        "where {} and p.words @@ %(words)s::tsquery limit {})"
    ).format(sql.SQL(" ").join(whens), condition, sql.Literal(_MOST_MATCHES))


def _both(first: str, second: str) -> str:
    return f"({first}) & ({second})" if first and second else ""


_FORMS = (exact_lexeme, stem_lexeme)


def _some(words: Sequence[Word]) -> str:
    """Two of the words, if there are more than two."""
    if len(words) < _FEWEST_FOR_SOME:
        return ""
    return _any(*(f"{_stems(one)} & {_stems(other)}" for one, other in combinations(words[:_MOST_FOR_SOME], 2)))


def _stems(word: Word) -> str:
    return _adjacent(word.tokens, stem_lexeme)


def _inside_name(word: Word) -> str:
    """The word at the beginning or, if it is long enough, inside a word of the name."""
    token, *more = word.tokens
    if more or len(token) < 2:
        return _adjacent(word.tokens, stem_lexeme)
    forms = [f"{quoted(exact_lexeme(token))}:*A"]
    if len(token) > 2:
        forms.append(f"{quoted(inside_lexeme(token))}:*A")
    return _any(*forms)


def _beginning_in_name(tokens: Sequence[str]) -> str:
    """The tokens one after the other in the name, the last one at the beginning of a word; one alone inside it, too."""
    *first, last = tokens
    before = "".join(f"{quoted(exact_lexeme(token))}:A <-> " for token in first)
    inside = "" if first else f"{quoted(inside_lexeme(last))}:*A"
    return _any(f"{before}{quoted(exact_lexeme(last))}:*A", inside)


def _adjacent(tokens: Sequence[str], lexeme: Callable[[str], str], weight: str = "") -> str:
    mark = f":{weight}" if weight else ""
    joined = " <-> ".join(f"{quoted(lexeme(token))}{mark}" for token in tokens)
    return f"({joined})" if len(tokens) > 1 else joined


def _all(words: Sequence[Word], query: Callable[[Word], str]) -> str:
    return " & ".join(query(word) for word in words)


def _any(*queries: str) -> str:
    given = [query for query in dict.fromkeys(queries) if query]
    return f"({' | '.join(f'({query})' for query in given)})" if given else ""


def _tokens(text: str) -> list[str]:
    return [token for word in words_of(text) for token in word.tokens]


def _is_common(word: Word) -> bool:
    return len(word.tokens) == 1 and word.tokens[0] in _COMMON
