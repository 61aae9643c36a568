"""Look up greetings, single words and labels in tables: small models have seen them too rarely to translate them."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "phrases"
_AROUND = re.compile(r"^([¡¿\s]*)(.*?)([\s.!?。！？…:：]*)$", re.DOTALL)
_MOST_CHARACTERS = 60
_FEWEST_CAPITALS = 4
"""OK is a word, and HELP is in capitals."""
_WIDE_STOPS = {".": "。", "!": "！", "?": "？", ":": "："}
_INVERTED = {"!": "¡", "?": "¿"}


def known_phrase(table: str, text: str, source: str, target: str) -> str | None:
    """Return the translation of a phrase with the punctuation around it; None if the table does not have it."""
    if len(text) > _MOST_CHARACTERS:
        return None
    found = _AROUND.match(text)
    if found is None or not found[2]:
        return None
    source, target = source.split("-")[0].lower(), target.split("-")[0].lower()
    phrases = _phrases(table, source, target)
    stops = "".join(found[3].split())
    answer = phrases.get(_key(found[2] + stops[:1])) or phrases.get(_key(found[2]))
    if answer is None:
        return None
    return _punctuated(_with_capital_of(found[2], answer), stops, target)


def phrase_languages(table: str, text: str) -> list[str]:
    """List the languages in which a text is a phrase of a table, in the order of its columns."""
    found = _AROUND.match(text) if len(text) <= _MOST_CHARACTERS else None
    key = _key(found[2]) if found else ""
    languages, rows = _table(table)
    return [
        language
        for number, language in enumerate(languages)
        if key and any(key == _key(said) for cells in rows for said in cells[number].split(";"))
    ]


def _punctuated(answer: str, stops: str, target: str) -> str:
    if target == "zh":
        return answer + "".join(_WIDE_STOPS.get(stop, stop) for stop in stops)
    if target == "fr" and stops[:1] in ("!", "?", ":"):
        return f"{answer}\u00a0{stops}"
    if target == "es" and stops[:1] in _INVERTED:
        return f"{_INVERTED[stops[0]]}{answer}{stops}"
    return answer + stops.translate({ord(wide): narrow for narrow, wide in _WIDE_STOPS.items()})


def _with_capital_of(original: str, answer: str) -> str:
    """Take over capitals and a first capital; small letters change nothing, since nouns may need their capital."""
    if original.isupper() and len(original) >= _FEWEST_CAPITALS:
        return answer.upper()
    return answer if original[:1].islower() else answer[:1].upper() + answer[1:]


def _key(phrase: str) -> str:
    return " ".join(phrase.lower().replace("’", "'").split())


@cache
def _phrases(table: str, source: str, target: str) -> dict[str, str]:
    """Return the phrases of a language pair; in each cell are the ways to say it, of which the first is the answer."""
    languages, rows = _table(table)
    if source not in languages or target not in languages:
        return {}
    first: dict[str, str] = {}
    others: dict[str, str] = {}
    for cells in rows:
        answer = cells[languages.index(target)].split(";")[0]
        said, *also = map(_key, cells[languages.index(source)].split(";"))
        first.setdefault(said, answer)
        for each in also:
            others.setdefault(each, answer)
    return others | first


@cache
def _table(table: str) -> tuple[list[str], list[list[str]]]:
    """Read the languages of a table's columns, and its rows."""
    head, *rows = (_FOLDER / f"{table}.tsv").read_text(encoding="utf-8").splitlines()
    return head.split("\t"), [row.split("\t") for row in rows]
