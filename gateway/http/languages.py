"""The languages of the models, by the codes that LibreTranslate's clients know."""

from pydantic import BaseModel

from modalities.errors import UnknownLanguage, UnsupportedLanguagePair
from modalities.models.catalogue import Catalogue
from modalities.translation.languages import chinese_script, english_name
from modalities.translation.routes import list_languages, route

AUTO = "auto"
_TRADITIONAL = "zh-Hant"


class LanguageOut(BaseModel):
    """A source language, and the target languages it can be translated to."""

    code: str
    name: str
    targets: list[str]


def list_out(catalogue: Catalogue) -> list[LanguageOut]:
    """List the languages of a profile; Chinese in both scripts, since its characters can be converted."""
    known = list_languages(catalogue)
    has_chinese = any(chinese_script(code) == "Hans" for code in known)
    codes = [*known, _TRADITIONAL] if has_chinese and _TRADITIONAL not in known else known
    return [
        LanguageOut(
            code=source,
            name="Chinese (traditional)" if source == _TRADITIONAL else english_name(source).title(),
            targets=[target for target in codes if target == source or _has_route(catalogue, source, target)],
        )
        for source in codes
    ]


def known_code(code: str) -> str:
    """Return the BCP 47 tag of a client's code, such as zh_TW."""
    return code.replace("_", "-")


def _has_route(catalogue: Catalogue, source: str, target: str) -> bool:
    if chinese_script(source) and chinese_script(target):
        return True
    try:
        return bool(route(catalogue, source, target))
    except (UnsupportedLanguagePair, UnknownLanguage):
        return False
