"""The language of speech, in any form in which people and client programs name it."""

from functools import cache

_DETECT = frozenset({"", "auto", "detect", "und", "unknown", "null", "none", "multi"})
_OTHER_NAMES = {
    "mandarin": "zh",
    "cantonese": "yue",
    "castilian": "es",
    "flemish": "nl",
    "norwegian": "no",
    "filipino": "tl",
    "farsi": "fa",
    "deutsch": "de",
    "français": "fr",
    "español": "es",
    "italiano": "it",
    "português": "pt",
    "русский": "ru",
    "中文": "zh",
    "日本語": "ja",
    "한국어": "ko",
}
WRITTEN_WITHOUT_SPACES = frozenset({"ja", "zh", "yue", "th", "lo", "km", "my", "bo"})


def spoken_language(name: str) -> str | None:
    """Return the BCP 47 tag of a language, or None where it should be detected ("", auto).

    Understands tags in any spelling (zh_CN, ZH, pt-br), codes of three letters (deu, ger) and English names (German).
    What it does not know it returns as it is.
    """
    import langcodes

    text = name.strip()
    if text.lower() in _DETECT:
        return None
    named = _by_name().get(text.lower())
    try:
        return named or langcodes.standardize_tag(text)
    except ValueError:
        return text


def separator(language: str) -> str:
    """Return what stands between two sentences of a language: a space, or nothing in Chinese, Japanese or Thai."""
    return "" if language.split("-")[0] in WRITTEN_WITHOUT_SPACES else " "


@cache
def _by_name() -> dict[str, str]:
    from lingua import Language

    named = {language.name.lower(): language.iso_code_639_1.name.lower() for language in Language.all()}
    return named | _OTHER_NAMES
