"""Numbers in a text: find them, write them as another language does, and tell whether an answer has them."""

import re
from collections.abc import Sequence

from modalities.translation.protection.number_words import is_written_otherwise

_CURRENCY = r"[$€£¥₹₽₩]|US\$|USD|EUR|GBP|CHF|JPY|CNY"
_SPACES = " \u00a0\u202f"
_DIGITS = (
    r"\d{1,3}(?:[.,'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d{1,6})?|\d{1,3}(?: \d{3})+(?:,\d{1,6})?(?!\d)|\d+(?:[.,]\d+)?"
)
_UNIT = (
    r"%|‰|°[CF]?|(?:k|m|c|d|µ)?m[²³2]?|km/h|kg|mg|g|t|l|ml|[kMGT]i?B|[kMG]?Hz|[kM]?W|kWh|[mk]?V|mA|px|dpi|"
    r"min|h|s|ms|ft|lbs?|oz|mph"
)
NUMBER = (
    r"(?<![A-Za-z0-9_.,])(?:"
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?Z?)?"  # ISO dates
    r"|\d{1,2}[./]\d{1,2}[./]\d{2,4}(?!\d)|\d{1,2}\.\d{1,2}\.(?!\d)"
    r"|\d{1,2}:\d{2}(?::\d{2})?(?!\d)(?: ?[ap]\.?m\b\.?)?|\d{1,5}:\d{1,5}(?![\d:])"  # times, 1:1
    r"|\+\d{1,3}(?:[ -]?\(?\d{1,5}\)?){2,6}"  # telephones
    r"|\d{1,4}[-–]\d{1,4}(?![\d–-]|[.,]\d)(?: ?%)?"  # ranges
    r"|v?\d+(?:\.\d+){2,5}(?:-\w{1,10}|:\d{1,5})?|v\d+(?:\.\d+)?"  # versions, IP addresses
    r"|(?=[\dA-Za-z-]{0,20}\d)(?=[\dA-Za-z-]{0,20}[A-Z])[A-Z0-9]{1,12}(?:-[A-Z0-9]{1,12}){0,4}(?![\w])"  # codes
    rf"|(?:{_CURRENCY})[ \u00a0\u202f]?[-\u2212]?(?:{_DIGITS})(?!\d)(?: ?(?:bn|[kmKM])\b)?"
    rf"|[-\u2212+±]?(?:{_DIGITS})(?!\d)(?:[ \u00a0\u202f]?(?:(?:{_CURRENCY})(?!\w)|(?:{_UNIT})(?![\w/])))?"
    r")"
)
_PARTS = re.compile(
    rf"(?P<before>{_CURRENCY})?(?P<gap>[{_SPACES}]?)(?P<sign>[-−+±]?)(?P<digits>{_DIGITS})"
    rf"(?P<after>[{_SPACES}]?(?:{_CURRENCY}|{_UNIT}|bn|[kmKM])?)"
)
_GROUPS: dict[str, str] = {
    **dict.fromkeys(("en", "zh", "ja", "ko"), ","),
    **dict.fromkeys(("de", "es", "it", "pt", "nl"), "."),
    "fr": "\u202f",
}
_POINTS: dict[str, str] = {
    **dict.fromkeys(("en", "zh", "ja", "ko"), "."),
    **dict.fromkeys(("de", "es", "it", "pt", "nl", "fr"), ","),
}
_SYMBOL_FIRST = frozenset({"en", "zh", "ja", "ko"})
_MOST_EASY_DIGITS = 4
_WRITTEN = re.compile(r"(?<!\d)\d{1,3}(?:[.,'\u2019\u00a0\u202f ]\d{3})+(?!\d)|\d+")
"""A number with groups, or digits: of 3.5 and 17:45 there are two."""


def is_plain_number(text: str) -> bool:
    """Whether a number is of a few digits alone, which models often translate rightly."""
    return text.isdecimal() and len(text) <= _MOST_EASY_DIGITS


def localized_number(text: str, source: str, target: str) -> str:
    """Write an amount, a percentage, or a number with groups as the target language does; leave anything else."""
    source, target = source.split("-")[0], target.split("-")[0]
    found = _PARTS.fullmatch(text)
    if found is None or source not in _POINTS or target not in _POINTS:
        return text
    before, after = found["before"] or "", found["after"].strip(_SPACES)
    digits = _localized_digits(found["digits"], source, target, is_amount=bool(before or after))
    if digits is None:
        return text
    if symbol := before or (after if re.fullmatch(_CURRENCY, after) else ""):
        tail = "" if after == symbol else after
        first = target in _SYMBOL_FIRST and not symbol.isalpha()
        return found["sign"] + (f"{symbol}{digits}{tail}" if first else f"{digits}{tail}\u00a0{symbol}")
    if after == "%":
        return f"{found['sign']}{digits}{'' if target in _SYMBOL_FIRST else chr(0xA0)}%"
    return found["sign"] + digits + text[found.end("digits") :]


def missing_numbers(source: str, answer: str, target: str) -> list[str]:
    """List the numbers of a text that its translation lacks, however it writes them: `1 000`, `1,000`, or in words.

    Numbers side by side may look like one with groups, as in rooms 100 200: then either reading will do.
    """
    there = [_parts(found[0]) for found in _WRITTEN.finditer(answer)]
    lacking: list[list[str]] = []
    for parts in (_parts(found[0]) for found in _WRITTEN.finditer(source)):
        same = next((each for each in there if _joined(each) == _joined(parts)), None)
        if same is None:
            lacking.append(parts)
        else:
            there.remove(same)
    readings = {_joined(each[a:b]) for each in there for a in range(len(each)) for b in range(a + 1, len(each) + 1)}
    missing = [part for parts in lacking if _joined(parts) not in readings for part in parts]
    numbers = dict.fromkeys(_joined([part]) for part in missing)
    return [n for n in numbers if n not in readings and not is_written_otherwise(n, source, answer, target)]


def _parts(number: str) -> list[str]:
    """Split a number into its groups of digits, in 0 to 9 whatever the script."""
    return re.findall(r"\d+", "".join(str(int(c)) if c.isdecimal() else c for c in number))


def _joined(parts: Sequence[str]) -> str:
    """Return the digits of a number without leading zeros, as 05:00 is 5:00."""
    return "".join(parts).lstrip("0") or "0"


def _localized_digits(digits: str, source: str, target: str, *, is_amount: bool) -> str | None:
    """Change the separators; None if they could mean something else than a number of the source language."""
    group, point = _GROUPS[source], _POINTS[source]
    plain = re.sub(r"[\u00a0\u202f'’ ]", "", digits)
    whole, _, decimals = plain.partition(point)
    has_groups = whole != re.sub(r"\D", "", whole) or plain != digits
    if decimals and not decimals.isdecimal():
        return None
    if has_groups and not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+|\d+", whole):
        return None
    if not has_groups and not (is_amount and decimals):
        return digits if not decimals else None
    whole = re.sub(r"\D", "", whole)
    grouped = f"{int(whole):,}".replace(",", _GROUPS[target]) if has_groups else whole
    return f"{grouped}{_POINTS[target]}{decimals}" if decimals else grouped
