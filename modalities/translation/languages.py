"""Match BCP 47 tags, and find the language tokens of a vocabulary."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

# What translation models and language detection mean by a language, where CLDR's aliases keep them apart.
SYNONYMS = {"nb": "no", "fil": "tl", "gsw": "de", "pbt": "ps"}
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
    return _Tag(SYNONYMS.get(language, language), script, parsed.territory)


def _same_language(one: _Tag, other: _Tag) -> bool:
    return one.language == other.language and (one.script == other.script or None in (one.script, other.script))
