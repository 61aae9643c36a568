"""Detect the language of a text, match BCP 47 tags, and find the language tokens of a vocabulary."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from modalities.errors import UnknownLanguage

_DETECTED = "ar bg cs da de el en es fa fi fr he hi hu id it ja ko nb nl pl pt ro ru sv th tr uk vi zh"
_SAMPLE_CHARACTERS = 2000
# Measured on 3,900 sentences of the staged translation data: with this confidence, the low-accuracy models were wrong
# for 3 in 2,000 sentences; without the threshold, for one in ten of the sentences of 20 to 60 characters.
_MIN_FAST_CONFIDENCE = 0.99
_MIN_CONFIDENCE, _MIN_LEAD = 0.2, 1.5
_MAX_LANGUAGES, _MIN_LISTED_CONFIDENCE = 5, 0.01

# What translation models and language detection mean by a language, where CLDR's aliases keep them apart.
_SYNONYMS = {"nb": "no", "fil": "tl", "gsw": "de", "pbt": "ps"}
_SERBO_CROATIAN = ("sh", "hbs")  # an alias of sr-Latn in CLDR, and a language of its own in vocabularies
_MAX_CACHED_TAGS = 4096
_ALIASES = {"zt": "zh-Hant", "pb": "pt-BR"}
"""Codes of LibreTranslate that are no BCP 47 tags."""
_WITHOUT_SPACES = frozenset({"ja", "zh", "yue"})


@dataclass(frozen=True)
class _Tag:
    """The parts of a BCP 47 tag that matter to a translation model."""

    language: str
    script: str | None
    region: str | None


def detect_language(text: str) -> str:
    """Detect the language of a text by its first 2,000 characters, in BCP 47.

    Loads models of about 55 MB; for a doubtful text, additional ones of half a gigabyte.
    Raises UnknownLanguage for a text without words, or one that could be in several languages.
    """
    sample = text.strip()[:_SAMPLE_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        raise UnknownLanguage("The text has no words, so that its language cannot be told: name it.")
    (first, share), _ = _two_most_probable(_detector(accurate=False), sample)
    if share >= _MIN_FAST_CONFIDENCE:
        return first
    (first, share), (second, less) = _two_most_probable(_detector(accurate=True), sample)
    if share < _MIN_CONFIDENCE or share < _MIN_LEAD * less:
        raise UnknownLanguage(
            f"The text is too short or too mixed to tell its language ({first} or {second}, perhaps): name it."
        )
    return first


def likely_languages(text: str) -> list[tuple[str, float]]:
    """List the most probable languages of a text in BCP 47 with their confidences (sum 1); empty without words."""
    sample = text.strip()[:_SAMPLE_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        return []
    values = _detector(accurate=False).compute_language_confidence_values(sample)
    if values[0].value < _MIN_FAST_CONFIDENCE:
        values = _detector(accurate=True).compute_language_confidence_values(sample)
    return [named for named in map(_tag_and_confidence, values[:_MAX_LANGUAGES]) if named[1] >= _MIN_LISTED_CONFIDENCE]


def english_name(tag: str) -> str:
    """Return the English name of a tag's language in lower case, such as german; the tag itself if unknown."""
    from lingua import IsoCode639_1, Language

    language = _parse(tag).language
    code = getattr(IsoCode639_1, {"no": "nb"}.get(language, language).upper(), None)
    return {"nb": "norwegian"}.get(tag, Language.from_iso_code_639_1(code).name.lower()) if code else tag


def best_match(tag: str, offered: Iterable[str]) -> str | None:
    """Return the offered tag of the same language and script as `tag`, preferably of the same region, or None.

    zh-TW matches zh-Hant or zh, but not zh-Hans; pt matches pt-BR.
    """
    wanted = _parse(tag)
    fitting = [(other, _parse(other)) for other in offered]
    fitting = [(other, parsed) for other, parsed in fitting if _same_language(wanted, parsed)]
    fitting.sort(key=lambda pair: (pair[1].region != wanted.region, pair[1].script != wanted.script))
    return fitting[0][0] if fitting else None


def is_same_language(one: str, other: str) -> bool:
    """Whether two tags have the same language and script, so that there is nothing to translate."""
    return _same_language(_parse(one), _parse(other))


def chinese_script(tag: str) -> str | None:
    """Return Hans or Hant, the script of a Chinese tag (zh alone is Hans); None for another language."""
    parsed = _parse(tag)
    return (parsed.script or "Hans") if parsed.language == "zh" else None


def is_written_without_spaces(tag: str) -> bool:
    """Whether the language is written without spaces between sentences."""
    return _parse(tag).language in _WITHOUT_SPACES


def language_token(tag: str, vocabulary: Iterable[str]) -> str | None:
    """Find the token of a language in a multilingual model's vocabulary: `>>deu<<`, `__de__` or `deu_Latn`."""
    marked = sorted(token for token in vocabulary if _is_language_token(token))
    return next(_matching_tokens(_parse(tag), marked), None)


def has_language_tokens(vocabulary: Iterable[str]) -> bool:
    """Whether the vocabulary of a Marian model has tokens that select the target language."""
    return any(token.startswith(">>") and token.endswith("<<") for token in vocabulary)


def _matching_tokens(wanted: _Tag, marked: Iterable[str]) -> Iterator[str]:
    """Yield tokens of the same region, then of the same script, then of the language; Chinese defaults to Hans."""
    script = wanted.script or ("Hans" if wanted.language == "zh" else None)
    parsed = [(token, _parse(token.strip("><_"))) for token in marked]
    same = [(token, found) for token, found in parsed if found.language == wanted.language]
    exact = [(t, f) for t, f in same if script in (None, f.script) and f.region == wanted.region]
    yield from (token for token, _ in exact)
    yield from (token for token, found in same if script is not None and found.script == script)
    yield from (token for token, found in same if None in (wanted.script, found.script))


def _is_language_token(token: str) -> bool:
    if (token.startswith(">>") and token.endswith("<<")) or (token.startswith("__") and token.endswith("__")):
        return len(token) > 4
    return len(token) == 8 and token[3] == "_" and token[:3].islower() and token[4:].istitle()


@lru_cache(_MAX_CACHED_TAGS)
def _parse(tag: str) -> _Tag:
    """Parse a tag in any case, with ISO 639-3 codes and underscores too; an invalid one is a language of its own."""
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    tag = _ALIASES.get(tag.lower(), tag)
    if tag.replace("_", "-").split("-")[0].lower() in _SERBO_CROATIAN:
        return _Tag("sh", None, None)
    try:
        parsed = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    except LanguageTagError:
        return _Tag(tag.lower(), None, None)
    language = parsed.language or "und"
    has_implied_script = language == "zh" and parsed.territory is not None  # zh-TW is zh-Hant; zh alone is either
    script = parsed.maximize().script if has_implied_script else parsed.script
    return _Tag(_SYNONYMS.get(language, language), script, parsed.territory)


def _same_language(one: _Tag, other: _Tag) -> bool:
    return one.language == other.language and (one.script == other.script or None in (one.script, other.script))


@cache
def _detector(*, accurate: bool) -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _DETECTED.split()]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return (builder if accurate else builder.with_low_accuracy_mode()).build()


def _two_most_probable(detector: Any, text: str) -> tuple[tuple[str, float], tuple[str, float]]:
    """The two most probable languages with their confidences."""
    first, second = detector.compute_language_confidence_values(text)[:2]
    return _tag_and_confidence(first), _tag_and_confidence(second)


def _tag_and_confidence(found: Any) -> tuple[str, float]:
    code: str = found.language.iso_code_639_1.name.lower()
    return _SYNONYMS.get(code, code), found.value
