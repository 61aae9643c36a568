"""The gallery's words, in English and Chinese. A text's English is its name; locales/<language>.yaml has the others."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import yaml

Language = Literal["en", "zh-Hans"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent / "locales"
IN_SCRIPTS = (
    "waiting",
    "being taken in",
    "stored",
    "duplicate",
    "It did not arrive: is the gateway still there?",
    "It did not work: try again.",
    "All files are done.",
    "Selected",
    "Rejected",
    "{at} of {all} · {selected} selected · {rejected} rejected",
    "Every picture is reviewed.",
)
"""The words that scripts say."""


@cache
def translations(language: Language) -> dict[str, str]:
    """The texts of a language by their English; none for English."""
    if language == "en":
        return {}
    return yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))


def speaker(language: Language) -> Callable[..., str]:
    """Says an English text in a language, with values in the place of {names}."""
    texts = translations(language)

    def say(text: str, **values: object) -> str:
        return texts.get(text, text).format(**values) if values else texts.get(text, text)

    return say


def preferred(accept_language: str) -> Language:
    """The language of a browser's Accept-Language that we speak; English if there is none."""
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
