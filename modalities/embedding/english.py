"""Tell whether a search query is English; queries are short, and the detectors of languages want sentences."""

import re
from functools import cache
from typing import Any

_LANGUAGES = "ar cs da de el en es fi fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi zh"
_WORD = re.compile(r"[^\W\d_]+")
_PROBABLE, _POSSIBLE = 0.5, 0.15
_SURE_WORDS = 2
"""Up to this many words of the English vocabulary are English without asking the detector, which guesses there."""


def is_english(text: str, tokenizer: Any) -> bool:
    """Whether a query is probably English. `tokenizer` splits words that its English vocabulary lacks."""
    words = _WORD.findall(text.lower())
    if not words or not text.isascii():
        return False
    whole = all(len(tokenizer.tokenize(word)) == 1 for word in words)
    if whole and len(words) <= _SURE_WORDS:
        return True
    return _english_confidence(text) >= (_POSSIBLE if whole else _PROBABLE)


def _english_confidence(text: str) -> float:
    from lingua import Language

    return _detector().compute_language_confidence(text, Language.ENGLISH)


@cache
def _detector() -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _LANGUAGES.split()]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
