"""Translations of the gallery's texts. English texts are the keys; locales/<language>.yaml has their translations."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import yaml

Language = Literal["en", "zh-Hans"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent / "locales"
SCRIPT_TEXTS = (
    "waiting",
    "being taken in",
    "stored",
    "duplicate",
    "It did not arrive: is the gateway still there?",
    "It did not work: try again.",
    "All files are done.",
    "Skipped, as systems leave them behind: {count}",
    "Selected",
    "Rejected",
    "{at} of {all} · {selected} selected · {rejected} rejected",
    "Every picture is reviewed.",
    "{done} of {all} answered",
    "Everything is answered.",
)
"""The texts that scripts show."""


@cache
def translations(language: Language) -> dict[str, str]:
    """Load the translations into a language by their English text; empty for English."""
    if language == "en":
        return {}
    return yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))


def translator(language: Language) -> Callable[..., str]:
    """Return a function that translates an English text and fills in its {placeholders}."""
    texts = translations(language)

    def translate(text: str, **values: object) -> str:
        return texts.get(text, text).format(**values) if values else texts.get(text, text)

    return translate


def negotiate_language(accept_language: str) -> Language:
    """Choose the supported language that an Accept-Language header prefers; English if it names none."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wanted.append((float(quality or 1), tag.lower()))
        except ValueError:
            continue
    for _, tag in sorted(wanted, key=lambda pair: -pair[0]):
        for language in LANGUAGES:
            if tag.split("-")[0] == language.split("-")[0]:
                return language
    return "en"
