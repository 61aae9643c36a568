"""Dates such as `3 March 2024`, and days of the week: write them as another language does, and look for them."""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache

from modalities.translation.protection.written import Written

LANGUAGES = ("en", "de", "fr", "es", "zh")
_DAY, _YEAR = r"(?P<day>\d{1,2})", r"(?P<year>\d{4})"
_PATTERNS = {
    "en": (
        rf"(?:{{weekday}},? )?{_DAY}(?:st|nd|rd|th)?(?: of)? {{month}}(?:,? {_YEAR}(?!\d))?",
        rf"(?:{{weekday}},? )?{{month}} {_DAY}(?:st|nd|rd|th)?(?!\d|\.\d)(?:,? {_YEAR}(?!\d))?",
    ),
    "de": (rf"(?:{{weekday}},? (?:(?:de[mnr]|am) )?)?{_DAY}\. {{month}}(?: {_YEAR}(?!\d))?",),
    "fr": (rf"(?:(?:[Ll]e )?{{weekday}} |[Ll]e )?(?P<day>1er|\d{{1,2}}) {{month}}(?: {_YEAR}(?!\d))?",),
    "es": (rf"(?:{{weekday}},? )?{_DAY} de {{month}}(?: del? {_YEAR}(?!\d))?",),
    "zh": (rf"(?:{_YEAR}\s?年\s?)?{{month}}\s?{_DAY}\s?[日号號](?:\s?{{weekday}})?",),
}
_WEEKDAYS_ZH = tuple(f"(?:星期|周|週|礼拜|禮拜){day}" for day in ("一", "二", "三", "四", "五", "六", "[日天]"))
_ALSO_WORDS = frozenset({"may", "march", "mar", "sun", "sat", "wed", "mon", "mars", "mai", "so", "do", "mi", "di"})
"""Names of months and days that are words of their own, too: they are not looked for in answers."""
_LEAP_YEAR = 2024


def written_dates(text: str, source: str, target: str) -> Iterator[Written]:
    """Yield the dates with a day and a month in words. Languages are BCP 47 tags."""
    language, other = source.split("-")[0], target.split("-")[0]
    if language not in LANGUAGES or other not in LANGUAGES or not re.search(r"\d", text):
        return
    for found in _pattern(language).finditer(text):
        said = {name: value for name, value in found.groupdict().items() if value}
        if copy := _in_words(said, language, other):
            yield Written(*found.span(), copy)


def weekday_forms(tag: str) -> list[tuple[str, ...]]:
    """Return what Monday and Friday are called in the language of a BCP 47 tag, the usual form first.

    They can stand for dates: they have the prepositions that dates have.
    """
    language = tag.split("-")[0]
    return [_forms(language, weekday) for weekday in (0, 4)] if language in LANGUAGES else []


def missing_days(source: str, answer: str, languages: tuple[str, str]) -> list[str]:
    """List the days of the week and the months that a text names and its translation does not."""
    language, other = (tag.split("-")[0] for tag in languages)
    if language not in LANGUAGES or other not in LANGUAGES:
        return []
    lacking: list[str] = []
    for kind in ("weekday", "month"):
        theirs = _names(other, kind)
        for number, names in enumerate(_names(language, kind)):
            found = re.search(rf"(?<![^\W_])(?:{names}){_ending(language)}", source) if language != "zh" else None
            found = found or (re.search(names, source) if language == "zh" else None)
            if found is None or found[0].lower() in _ALSO_WORDS:
                continue
            if not re.search(theirs[number], answer, re.IGNORECASE):
                lacking.append(found[0])
    return lacking


def is_day_or_month(word: str) -> bool:
    """Whether a word is a month or a day of the week in one of the languages that are known here."""
    names = [name for language in LANGUAGES[:4] for kind in ("weekday", "month") for name in _names(language, kind)]
    return any(re.fullmatch(name, word) for name in names)


def has_month_of(written: str, answer: str, target: str) -> bool:
    """Whether an answer names the month of a date that is written in its language."""
    months = _names(target.split("-")[0], "month")
    return any(re.search(month, written) and re.search(month, answer, re.IGNORECASE) for month in months)


def _ending(language: str) -> str:
    return r"(?:e?s)?(?![^\W_])" if language in ("en", "de") else r"(?![^\W_])"


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """Return the pattern of dates; the group `month1` has matched for January, `weekday1` for Monday."""
    alternatives: list[str] = []
    names = {kind: _names(language, kind) for kind in ("weekday", "month")}
    for number, pattern in enumerate(_PATTERNS[language]):
        filled = pattern
        for kind, said in names.items():
            groups = "|".join(f"(?P<{kind}{n}_{number}>{each})" for n, each in enumerate(said, 1))
            filled = filled.replace(f"{{{kind}}}", f"(?:{groups})")
        filled = filled.replace("(?P<day>", f"(?P<day_{number}>").replace("(?P<year>", f"(?P<year_{number}>")
        alternatives.append(filled)
    before, after = ("", "") if language == "zh" else (r"(?<![\w.])", r"(?![\w])")
    return re.compile(f"{before}(?:{'|'.join(alternatives)}){after}")


@cache
def _names(language: str, kind: str) -> tuple[str, ...]:
    """Return a pattern for each month, or each day of the week from Monday: its name, and in English its short one."""
    if language == "zh":
        return _WEEKDAYS_ZH if kind == "weekday" else tuple(_chinese_month(n) for n in range(1, 13))
    from babel.dates import get_day_names, get_month_names

    get = get_month_names if kind == "month" else get_day_names
    full = dict(get("wide", locale=language))
    short = dict(get("abbreviated", locale=language))
    patterns: list[str] = []
    for number in sorted(full):
        name = full[number]
        begins = rf"[{name[0].upper()}{name[0].lower()}]" if language in ("fr", "es") else name[0]
        other = rf"|{short[number]}\.?" if language == "en" and short[number] != name else ""
        patterns.append(f"{begins}{name[1:]}{other}")
    return tuple(patterns)


def _chinese_month(number: int) -> str:
    digits = "零一二三四五六七八九"
    words = digits[number] if number < 10 else f"十{digits[number - 10] if number > 10 else ''}"
    return rf"(?<![\d十])(?:0?{number}\s?月|{words}月)(?!份?前|份?后)"


def _in_words(said: dict[str, str], language: str, target: str) -> str | None:
    """Write a date that was found; None if there is no such day."""
    from babel.dates import format_date, format_skeleton, get_day_names

    values = {name.rpartition("_")[0]: value for name, value in said.items()}
    month = next(int(name.removeprefix("month")) for name in values if name.startswith("month"))
    weekday = next((int(name.removeprefix("weekday")) - 1 for name in values if name.startswith("weekday")), None)
    try:
        day = date(int(values.get("year", _LEAP_YEAR)), month, int(values["day"].removesuffix("er")))
    except ValueError:
        return None
    has_year = "year" in values
    written = format_date(day, "long", locale=target) if has_year else format_skeleton("MMMMd", day, locale=target)
    if target == "fr":
        written = re.sub(r"^1 ", "1er ", written)
        name = f"{get_day_names('wide', locale='fr')[weekday]} " if weekday is not None else ""
        return f"le {name}{written}"
    if weekday is None:
        return written
    name = get_day_names("wide", locale=target)[weekday]
    return f"{written}{name}" if target == "zh" else f"{name}, {written}"


def _forms(language: str, weekday: int) -> tuple[str, ...]:
    from babel.dates import get_day_names

    name = get_day_names("wide", locale=language)[weekday]
    if language == "zh":
        return (name, f"周{name[-1]}", f"礼拜{name[-1]}", f"週{name[-1]}", f"禮拜{name[-1]}")
    if language == "fr":
        return (name, f"le {name}", f"ce {name}", f"Le {name}", name.capitalize())
    return (name, name.capitalize())
