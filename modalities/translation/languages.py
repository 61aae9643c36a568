"""Languages: which one a text is in, whether two BCP 47 tags mean the same, and what a vocabulary calls a language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from modalities.errors import UnknownLanguage

_DETECTED = "ar bg cs da de el en es fa fi fr he hi hu id it ja ko nb nl pl pt ro ru sv th tr uk vi zh"
_SAMPLE_CHARACTERS = 2000
# Measured on 3,900 sentences of the staged translation data: of those that the small tables are this sure of, 3 in
# 2,000 were wrong; without this bound, every tenth sentence of 20 to 60 characters was.
_SURE = 0.99
_LIKELY, _AHEAD = 0.2, 1.5
_MOST_NAMED, _WORTH_NAMING = 5, 0.01

# ISO 639-1 to 639-3 as translation models spell it: the individual language that they mean by a macrolanguage first.
_TABLE = """
af:afr am:amh ar:arb/ara as:asm az:azj/aze be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell
en:eng eo:epo es:spa et:est/ekk eu:eus fa:pes/fas fi:fin fr:fra ga:gle gl:glg gu:guj ha:hau he:heb hi:hin hr:hrv
ht:hat hu:hun hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ku:kmr/kur ky:kir
lb:ltz lo:lao lt:lit lv:lvs/lav mg:plt/mlg mi:mri mk:mkd ml:mal mn:khk/mon mr:mar ms:zsm/msa mt:mlt my:mya
ne:npi/nep nl:nld no:nob/nor oc:oci or:ory pa:pan pl:pol ps:pbt/pus pt:por ro:ron ru:rus rw:kin sd:snd si:sin
sk:slk sl:slv sn:sna so:som sq:als/sqi sr:srp su:sun sv:swe sw:swh/swa ta:tam te:tel tg:tgk th:tha tk:tuk tl:tgl
tr:tur tt:tat ug:uig uk:ukr ur:urd uz:uzn/uzb vi:vie xh:xho yi:ydd/yid yo:yor zh:zho/cmn zu:zul
"""
_TWO_LETTERS = {long: entry[:2] for entry in _TABLE.split() for long in entry[3:].split("/")}
_OTHER_NAMES = {"nb": "no", "iw": "he", "in": "id", "jw": "jv", "fil": "tl", "gsw": "de"}
_CHINESE_SCRIPT = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}
_WITHOUT_SPACES = frozenset({"ja", "zh", "yue"})


@dataclass(frozen=True)
class _Tag:
    """What of a BCP 47 tag matters to a translation model."""

    language: str
    script: str | None
    region: str | None


def detect_language(text: str) -> str:
    """The language of a text, in BCP 47, judged by its first 2,000 characters.

    About 55 MB for a text of some sentences; half a gigabyte, once, when a short text needs a closer look.
    Raises UnknownLanguage for a text without words, or one that could be in several languages.
    """
    sample = text.strip()[:_SAMPLE_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        raise UnknownLanguage("The text has no words, so that its language cannot be told: name it.")
    (first, share), _ = _likeliest(_detector(close_look=False), sample)
    if share >= _SURE:
        return first
    (first, share), (second, less) = _likeliest(_detector(close_look=True), sample)
    if share < _LIKELY or share < _AHEAD * less:
        raise UnknownLanguage(
            f"The text is too short or too mixed to tell its language ({first} or {second}, perhaps): name it."
        )
    return first


def likely_languages(text: str) -> list[tuple[str, float]]:
    """The likeliest languages of a text in BCP 47 with their shares of 1, the likeliest first; none without words."""
    sample = text.strip()[:_SAMPLE_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        return []
    values = _detector(close_look=False).compute_language_confidence_values(sample)
    if values[0].value < _SURE:
        values = _detector(close_look=True).compute_language_confidence_values(sample)
    return [named for named in map(_named, values[:_MOST_NAMED]) if named[1] >= _WORTH_NAMING]


def english_name(tag: str) -> str:
    """What English calls a language of a BCP 47 tag, in small letters, such as german; the tag itself if unknown."""
    from lingua import IsoCode639_1, Language

    language = _parse(tag).language
    code = getattr(IsoCode639_1, {"no": "nb"}.get(language, language).upper(), None)
    return {"nb": "norwegian"}.get(tag, Language.from_iso_code_639_1(code).name.lower()) if code else tag


def best_match(tag: str, offered: Iterable[str]) -> str | None:
    """The offered tag that means the same language as `tag`, in its script, and in its region if there is one.

    zh-TW matches zh-Hant or zh, but not zh-Hans; pt matches pt-BR.
    """
    wanted = _parse(tag)
    fitting = [(other, _parse(other)) for other in offered]
    fitting = [(other, parsed) for other, parsed in fitting if _same_language(wanted, parsed)]
    fitting.sort(key=lambda pair: (pair[1].region != wanted.region, pair[1].script != wanted.script))
    return fitting[0][0] if fitting else None


def is_same_language(one: str, other: str) -> bool:
    """Whether there is nothing to translate between the two tags."""
    return _same_language(_parse(one), _parse(other))


def is_written_without_spaces(tag: str) -> bool:
    """Whether sentences of the language follow each other without a space."""
    return _parse(tag).language in _WITHOUT_SPACES


def language_token(tag: str, vocabulary: Iterable[str]) -> str | None:
    """What a multilingual model's vocabulary calls a language: `>>deu<<`, `__de__` or `deu_Latn`."""
    marked = sorted(token for token in vocabulary if _is_language_token(token))
    return next(_matching_tokens(_parse(tag), marked), None)


def has_language_tokens(vocabulary: Iterable[str]) -> bool:
    """Whether a Marian model wants to be told the target language."""
    return any(token.startswith(">>") and token.endswith("<<") for token in vocabulary)


def _matching_tokens(wanted: _Tag, marked: Iterable[str]) -> Iterator[str]:
    """Same region, then same script, then the language alone; Chinese without a script is simplified."""
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


def _parse(tag: str) -> _Tag:
    language, *rest = tag.replace("_", "-").split("-")
    language = language.lower()
    language = _OTHER_NAMES.get(language, _TWO_LETTERS.get(language, language))
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), None)
    region = next((part.upper() for part in rest if len(part) == 2 or (len(part) == 3 and part.isdigit())), None)
    if language == "zh" and script is None:
        script = _CHINESE_SCRIPT.get(region or "")
    return _Tag(language, script, region)


def _same_language(one: _Tag, other: _Tag) -> bool:
    return one.language == other.language and (one.script == other.script or None in (one.script, other.script))


@cache
def _detector(*, close_look: bool) -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in _DETECTED.split()]
    builder = LanguageDetectorBuilder.from_iso_codes_639_1(*codes)
    return (builder if close_look else builder.with_low_accuracy_mode()).build()


def _likeliest(detector: Any, text: str) -> tuple[tuple[str, float], tuple[str, float]]:
    """The two likeliest languages with their shares of 1."""
    first, second = detector.compute_language_confidence_values(text)[:2]
    return _named(first), _named(second)


def _named(found: Any) -> tuple[str, float]:
    code: str = found.language.iso_code_639_1.name.lower()
    return _OTHER_NAMES.get(code, code), found.value
