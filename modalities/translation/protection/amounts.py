"""Numbers that are partly or wholly words: `3.5 million`, `2.5 hours`, the year nineteen eighty-four."""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache

from modalities.translation.protection.measures import known_measure
from modalities.translation.protection.written import Written

_SCALES = {
    "en": {"thousand": 3, "million": 6, "billion": 9, "trillion": 12},
    "de": {"Tausend": 3, "Millionen": 6, "Million": 6, "Mio.": 6, "Milliarden": 9, "Milliarde": 9, "Mrd.": 9},
    "fr": {"millions": 6, "million": 6, "milliards": 9, "milliard": 9},
    "es": {"mil millones": 9, "mil": 3, "millones": 6, "millón": 6},
    "zh": {"万": 4, "萬": 4, "亿": 8, "億": 8},
}
_POINT_IS_COMMA = frozenset({"de", "fr", "es"})
_CURRENCIES = {"$": "美元", "€": "欧元", "£": "英镑", "¥": "日元"}
_MONEY = {
    "en": {"dollars": "$", "euros": "€", "pounds": "£"},
    "de": {"Dollar": "$", "Euro": "€", "Pfund": "£"},
    "fr": {"dollars": "$", "euros": "€", "livres": "£"},
    "es": {"dólares": "$", "euros": "€", "libras": "£"},
    "zh": {"美元": "$", "欧元": "€", "歐元": "€", "英镑": "£", "英鎊": "£"},
}
_CLOCK = re.compile(r"(?<![\w:])([01]?\d|2[0-3])[ \u00a0]?h[ \u00a0]?([0-5]\d)(?!\w)")
"""A time as it is written in French."""
_MOST_DECIMALS = 3
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_YEAR = re.compile(
    rf"(?<![\w-])(?:the year |(?:in|since|until|by|after|before|from|of) )"
    rf"(?P<year>(?P<century>eighteen|nineteen|twenty)[ -]"
    rf"(?:(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<ones>{'|'.join(_ONES)}))?"
    rf"|(?P<teens>{'|'.join(_TEENS)})|oh?[ -](?P<few>{'|'.join(_ONES)})))"
    r"(?![ -]?\w*(?:hundred|thousand|million)|[\w-])",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"(?<![\w.,])\d{1,4}[.,]\d{1,3} [^\W\d_]{3,20}(?!\w)")


def written_amounts(text: str, source: str, target: str) -> Iterator[Written]:
    """Yield numbers with words that scale them, decimals with units or money, and years in English words."""
    language, other = source.split("-")[0], target.split("-")[0]
    if language not in _SCALES or other not in _SCALES:
        return
    if any(map(str.isdigit, text)):
        yield from _in_digits(text, language, other)
    if language == "en":
        yield from (Written(*found.span("year"), _year(found)) for found in _YEAR.finditer(text))


def _in_digits(text: str, language: str, target: str) -> Iterator[Written]:
    """Yield numbers in digits with words that belong to them."""
    for found in _scaled(language).finditer(text):
        if copy := _in_words(found, language, target):
            yield Written(*found.span(), copy)
    for found in _DECIMAL.finditer(text):
        if copy := known_measure(found[0], language, target):
            yield Written(*found.span(), copy)
    for found in _money(language).finditer(text):
        yield Written(*found.span(), _as_money(found, language, target))
    if language == "fr":
        yield from (Written(*found.span(), f"{found[1]}:{found[2]}") for found in _CLOCK.finditer(text))


@cache
def _scaled(language: str) -> re.Pattern[str]:
    """Return the pattern of a number with a scale in words, perhaps with a currency."""
    scales = "|".join(re.escape(scale) for scale in _SCALES[language])
    gap, after = (r"\s?", "") if language == "zh" else (r"[ \u00a0]", r"(?![\w])")
    before = r"(?<![\d.,A-Za-z])" if language == "zh" else r"(?<![\w.,])"
    return re.compile(
        rf"{before}(?P<before>[$€£¥])?(?P<number>\d{{1,3}}(?:[.,]\d{{3}})+(?![\d.,])|\d{{1,6}}(?:[.,]\d{{1,3}})?(?!\d))"
        rf"{gap}(?P<scale>{scales}){after}(?:[ \u00a0](?P<after>[$€£¥]))?"
    )


def _in_words(found: re.Match[str], language: str, target: str) -> str | None:
    """Write a number with a scale as CLDR's long compact form; None if that would round it."""
    from babel.numbers import format_compact_decimal

    value = _value(found["number"], language) * 10 ** _SCALES[language][found["scale"]]
    size = len(str(int(value)))
    step = 4 if target == "zh" else 3
    unit = Decimal(10) ** ((size - 1) // step * step)
    decimals = max(-(value / unit).normalize().as_tuple().exponent, 0)  # pyright: ignore[reportOperatorIssue, reportArgumentType]
    if value < 1000 or decimals > _MOST_DECIMALS:
        return None
    written = format_compact_decimal(value, format_type="long", locale=target, fraction_digits=decimals)
    sign = found["before"] or found["after"]
    if not sign:
        return written
    return (
        f"{written}{_CURRENCIES[sign]}"
        if target == "zh"
        else f"{sign}{written}"
        if target == "en"
        else f"{written} {sign}"
    )


@cache
def _money(language: str) -> re.Pattern[str]:
    """Return the pattern of an amount with decimals or thousands, and a word for money."""
    words, before = "|".join(_MONEY[language]), r"(?<![\d.,A-Za-z])" if language == "zh" else r"(?<![\w.,])"
    group, point = (r"[.\u202f\u00a0 ]", ",") if language in _POINT_IS_COMMA else (",", r"\.")
    gap, after = (r"\s?", "") if language == "zh" else (r"[ \u00a0]", r"(?!\w)")
    digits = rf"\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d{{1,2}})?|\d+{point}\d{{1,2}}"
    return re.compile(rf"{before}(?P<number>{digits}){gap}(?P<word>{words}){after}")


def _as_money(found: re.Match[str], language: str, target: str) -> str:
    from babel.numbers import format_decimal

    sign = _MONEY[language][found["word"]]
    word = next(word for word, other in _MONEY[target].items() if other == sign)
    point = "," if language in _POINT_IS_COMMA else "."
    whole, _, decimals = found["number"].partition(point)
    value = Decimal(f"{re.sub(r'[^0-9]', '', whole)}.{decimals or 0}")
    number = format_decimal(value, format=f"#,##0.{'0' * len(decimals)}" if decimals else "#,##0", locale=target)
    return f"{number}{'' if target == 'zh' else ' '}{word}"


def _value(number: str, language: str) -> Decimal:
    if re.fullmatch(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*", number) and (
        ("," in number) != (language in _POINT_IS_COMMA)
    ):
        return Decimal(re.sub("[.,]", "", number))
    return Decimal(number.replace(",", "."))


def _year(found: re.Match[str]) -> str:
    century = {"eighteen": 1800, "nineteen": 1900, "twenty": 2000}[found["century"].lower()]
    if found["teens"]:
        return str(century + 10 + _TEENS.index(found["teens"].lower()))
    if found["few"]:
        return str(century + 1 + _ONES.index(found["few"].lower()))
    ones = 1 + _ONES.index(found["ones"].lower()) if found["ones"] else 0
    return str(century + 20 + 10 * _TENS.index(found["tens"].lower()) + ones)
