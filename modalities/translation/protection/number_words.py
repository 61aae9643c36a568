"""Other ways to write a number: in words, in Roman numerals, as a time of another clock, as a decade."""

import re
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("number_words.tsv")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WHOLE_WORDS = frozenset({"en"})
"""Languages whose words are matched whole; of the others the beginnings count, since words are inflected and joined."""
_ALSO_WORDS = frozenset({("fr", 9), ("de", 8), ("es", 4)})
"""Numbers whose word may be another one: neuf is new, too."""
_CHINESE = "零一二三四五六七八九"
_COUNTED = re.compile(
    r"(?<![第百千万萬零一二三四五六七八九十])(?:[二三四五六七八九]?十[一二三四五六七八九]?|[三四五六七八九])(?=[个個只隻人年岁歲天本张張位名次])"
)
"""Numbers from three to ninety-nine in Chinese before what is counted."""
_ROMAN = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
_MOST_ROMAN = 39
_SCALES = {
    **dict.fromkeys(("万", "萬"), 10**4),
    **dict.fromkeys(("亿", "億"), 10**8),
    **dict.fromkeys(("thousand", "tausend", "mille", "mil", "k"), 10**3),
    **dict.fromkeys(("million", "millions", "millionen", "millones", "millón", "mio", "m"), 10**6),
    **dict.fromkeys(("billion", "bn", "milliarde", "milliarden", "milliard", "milliards", "mil millones"), 10**9),
}
_SCALE = "|".join(sorted(_SCALES, key=len, reverse=True))
_AMOUNT = re.compile(rf"(?<!\d)(\d{{1,15}}(?:[.,]\d{{1,2}})?)(?!\d|[.,]\d)\s?((?:{_SCALE})(?![a-z])|)", re.IGNORECASE)
_GROUP = re.compile(r"(?<=\d)[.,'\u2019\u00a0\u202f ](?=\d{3}(?!\d))")
_AFTERNOON = re.compile(r"(?<![\d:.])0?(\d{1,2})(?:[:.]\d{2})?\s?p\.?\s?m\b", re.IGNORECASE)


def is_written_otherwise(number: str, source: str, answer: str, target: str) -> bool:
    """Whether a number of a text, in digits, is in its translation in another way. `target` is a BCP 47 tag."""
    value = int(number)
    words = number_word(value, target)
    return bool(
        (words and re.search(words, answer, re.IGNORECASE))
        or (1 < value <= _MOST_ROMAN and re.search(rf"\b{_roman(value)}(?:e|er|ème)?\b", answer))
        or _is_other_clock(value, source, answer)
        or _is_decade(value, answer)
        or _is_month(value, source, answer)
        or _is_amount(number, source, answer)
    )


def is_worth(amount: str, answer: str) -> bool:
    """Whether an answer has an amount, such as 3,5 Millionen, with whatever word for its thousands or millions."""
    return any(worth in _amounts(answer).values() for worth in _amounts(amount).values())


def missing_number_words(source: str, answer: str, languages: tuple[str, str]) -> list[str]:
    """List the numbers in words, from three to ninety, that a translation has neither in words nor in digits."""
    language = languages[0].split("-")[0]
    found = [(word[0], value) for value, pattern in _cardinals(language).items() for word in pattern.finditer(source)]
    found += [(word[0], _chinese_value(word[0])) for word in _COUNTED.finditer(source) if language == "zh"]
    return [
        word
        for word, value in found
        if not re.search(rf"(?<!\d){value}(?!\d)", answer)
        and not is_written_otherwise(str(value), source, answer, languages[1])
    ]


@cache
def _cardinals(language: str) -> dict[int, re.Pattern[str]]:
    """Return a pattern of the usual word for each number in the table: whole, and not a part of forty-five."""
    begun = {value: re.match(r"[\w\[\]-]+", forms) for value, forms in _table().get(language, {}).items()}
    return {
        value: re.compile(rf"(?<![-\w]){stem[0]}(?:e|en|ta)?(?![-\w])", re.IGNORECASE)
        for value, stem in begun.items()
        if stem and 3 <= value < 100 and (language, value) not in _ALSO_WORDS
    }


@cache
def number_word(value: int, tag: str) -> str:
    """Return the pattern of the words for a number in the language of a BCP 47 tag; empty if none is known."""
    language = tag.split("-")[0]
    if language == "zh":
        return _chinese(value)
    forms = _table().get(language, {}).get(value)
    return rf"\b(?:{forms})" + (r"s?\b" if language in _WHOLE_WORDS else r"\w*") if forms else ""


@cache
def _table() -> dict[str, dict[int, str]]:
    """Read the patterns of the words by language and number."""
    head, *rows = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()]
    return {language: {int(row[0]): row[column] for row in rows} for column, language in enumerate(head) if column}


def _chinese(value: int) -> str:
    """The pattern of a number in Chinese characters: up to 99, and hundred and thousand; and digit by digit."""
    digits = "".join(_CHINESE[int(digit)] for digit in str(value))
    tens, ones = divmod(value, 10)
    forms = [digits, digits.replace("零", "〇")]
    if value == 2:
        forms += ["两", "兩", "双", "雙"]
    if 10 <= value < 100:
        forms.append(f"{_CHINESE[tens] if tens > 1 else ''}十{_CHINESE[ones] if ones else ''}")
    forms += {100: ["百"], 1000: ["千"]}.get(value, [])
    return "|".join(forms)


def _chinese_value(written: str) -> int:
    tens, is_more, ones = written.rpartition("十")
    ten = (_CHINESE.index(tens) if tens else 1) * 10 if is_more else 0
    return ten + (_CHINESE.index(ones) if ones else 0)


def _roman(value: int) -> str:
    written = ""
    for worth, letters in _ROMAN:
        written += letters * (value // worth)
        value %= worth
    return written


def _is_other_clock(value: int, source: str, answer: str) -> bool:
    """Whether 3 p.m. became 15 o'clock, or the other way round."""
    if value < 12:
        said = any(int(found[1]) == value for found in _AFTERNOON.finditer(source))
        return said and re.search(rf"(?<!\d){value + 12}(?!\d)", answer) is not None
    return 12 < value < 24 and any(int(found[1]) == value - 12 for found in _AFTERNOON.finditer(answer))


def _is_decade(value: int, answer: str) -> bool:
    """Whether the 1980s became the eighties with a short number, or the other way round."""
    other = value % 100 if 1800 < value < 2100 else 1900 + value
    is_decade = value % 10 == 0 and value % 100 >= 10 and (value < 100 or 1800 < value < 2100)
    return is_decade and re.search(rf"(?<!\d){other}(?!\d)", answer) is not None


def _is_month(value: int, source: str, answer: str) -> bool:
    """Whether a month of Chinese, such as 3月, has its English name."""
    is_month = 1 <= value <= len(_MONTHS) and re.search(rf"(?<!\d){value}\s?月", source) is not None
    return is_month and _MONTHS[value - 1] in answer.lower()


def _is_amount(number: str, source: str, answer: str) -> bool:
    """Whether 20 million became 2000万, or the like."""
    worth = _amounts(source).get(number, 0)
    return worth > 0 and any(worth == other and written != number for written, other in _amounts(answer).items())


def _amounts(text: str) -> dict[str, int]:
    """Return what each number of a text is worth with the million, 万 or the like after it."""
    plain = _GROUP.sub("", text)
    return {
        found[1]: round(float(found[1].replace(",", ".")) * _SCALES.get(found[2].lower(), 1))
        for found in _AMOUNT.finditer(plain)
    }
