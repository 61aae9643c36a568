"""Translate a number with its unit, such as `10 minutes`, by CLDR's tables: small models have seen them too rarely."""

import re
from decimal import Decimal
from functools import lru_cache

_MEASURE = re.compile(r"\s*(\d{1,6}(?:[.,]\d{1,3})?)\s*([^\W\d_][\w .-]{0,40}?)\s*")
_DIGITS = "0.###"
_FAMILIES = (
    "angle",
    "area",
    "digital",
    "duration",
    "energy",
    "length",
    "mass",
    "power",
    "speed",
    "temperature",
    "volume",
)


def known_measure(text: str, source: str, target: str) -> str | None:
    """Return `10 Minuten` for `10 minutes`; None if the text is anything but a number and a unit written out."""
    found = _MEASURE.fullmatch(text)
    if found is None:
        return None
    number = found[1].replace(",", ".")
    unit = _units(number, source.split("-")[0]).get(_key(text))
    if unit is None:
        return None
    from babel.units import format_unit

    return format_unit(Decimal(number), unit, "long", format=_DIGITS, locale=target.split("-")[0])


@lru_cache(maxsize=256)
def _units(number: str, language: str) -> dict[str, str]:
    """Map what a number of each unit is called in a language to the unit."""
    from babel import Locale, UnknownLocaleError
    from babel.units import format_unit

    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return {}
    names = [name for each in locale.unit_display_names if (name := str(each)).startswith(_FAMILIES)]
    value = Decimal(number)
    return {_key(format_unit(value, name, "long", format=_DIGITS, locale=locale)): name for name in names}


def _key(text: str) -> str:
    return "".join(text.casefold().split())
