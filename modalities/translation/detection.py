"""Detect the language of a text: among many for a sentence, among those that models know for a word or two."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from modalities.errors import UnknownLanguage
from modalities.translation.languages import SYNONYMS, best_match
from modalities.translation.protection.phrases import phrase_languages

_DETECTED = "ar bg cs da de el en es fa fi fr he hi hu id it ja ko nb nl pl pt ro ru sv th tr uk vi zh"
_SAMPLE_CHARACTERS = 2000
# Measured on 3,900 sentences of the staged translation data: with this confidence, the low-accuracy models were wrong
# for 3 in 2,000 sentences; without the threshold, for one in ten of the sentences of 20 to 60 characters.
_MIN_FAST_CONFIDENCE = 0.99
_MIN_CONFIDENCE, _MIN_LEAD = 0.2, 1.5
_MAX_LANGUAGES, _MIN_LISTED_CONFIDENCE = 5, 0.01
_PHRASES, _PHRASE_CONFIDENCE = "everyday", 0.95
_SHORT_CHARACTERS = 30
"""A shorter text is looked for among the languages that models know first: it could be of any."""


def detect_language(text: str, known: Sequence[str] = ()) -> str:
    """Detect the language of a text by its first 2,000 characters, in BCP 47.

    With `known`, the languages that models know, a doubtful text is of the likeliest of them. Loads models of about 55
    MB; for a doubtful text, additional ones of up to half a gigabyte.
    Raises UnknownLanguage for a text without words, and without `known` for one that could be in several languages.
    """
    found = likely_languages(text, known)
    if not found:
        raise UnknownLanguage("The text has no words, so that its language cannot be told: name it.")
    (first, share), (second, less) = (*found, found[0])[:2]
    if not known and len(found) > 1 and (share < _MIN_CONFIDENCE or share < _MIN_LEAD * less):
        raise UnknownLanguage(
            f"The text is too short or too mixed to tell its language ({first} or {second}, perhaps): name it."
        )
    return first


def likely_languages(text: str, known: Sequence[str] = ()) -> list[tuple[str, float]]:
    """List the most probable languages of a text in BCP 47 with their confidences; empty without words.

    A short text is told among `known` languages alone, a longer one among many: it may be of a language that no model
    knows.
    """
    sample = text.strip()[:_SAMPLE_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        return []
    if spoken := [tag for tag in phrase_languages(_PHRASES, sample) if best_match(tag, known)]:
        return [(tag, _PHRASE_CONFIDENCE / len(spoken)) for tag in spoken]
    values = _values(_DETECTED, sample, accurate=False)
    if values[0][1] < _MIN_FAST_CONFIDENCE:
        codes = _codes(known) if known and len(sample) < _SHORT_CHARACTERS else ""
        values = _values(codes or _DETECTED, sample, accurate=True)
    return [named for named in values[:_MAX_LANGUAGES] if named[1] >= _MIN_LISTED_CONFIDENCE]


def _codes(known: Sequence[str]) -> str:
    """Return the codes of the detectable languages among some; empty if they are not several."""
    found = [code for code in _DETECTED.split() if best_match(SYNONYMS.get(code, code), known)]
    return " ".join(found) if len(found) > 1 else ""


def _values(codes: str, text: str, *, accurate: bool) -> list[tuple[str, float]]:
    found = _detector(codes, accurate=accurate).compute_language_confidence_values(text)
    return [_tag_and_confidence(each) for each in found]


@lru_cache(4)
def _detector(codes: str, *, accurate: bool) -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    languages = [getattr(IsoCode639_1, code.upper()) for code in codes.split()]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*languages)
    return (builder if accurate else builder.with_low_accuracy_mode()).build()


def _tag_and_confidence(found: Any) -> tuple[str, float]:
    code: str = found.language.iso_code_639_1.name.lower()
    return SYNONYMS.get(code, code), found.value
