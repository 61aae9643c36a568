"""Write Chinese in simplified or traditional characters."""

from functools import cache
from typing import Any

from modalities.translation.languages import chinese_script


def in_script_of(text: str, tag: str) -> str:
    """Return a Chinese text in the characters of a BCP 47 tag; any other language's text unchanged.

    zh alone means simplified characters, zh-TW and zh-HK the traditional ones with the words of their region.
    """
    script = chinese_script(tag)
    if script is None or not text:
        return text
    simplified: str = _converter("t2s").convert(text)
    if script == "Hans":
        return simplified
    region = tag.replace("_", "-").upper().split("-")
    return _converter("s2twp" if "TW" in region else "s2hk" if "HK" in region else "s2t").convert(simplified)


def rewritten(text: str, source: str, target: str) -> str:
    """Write a text that needs no translation as the target names it: from one Chinese script in the other."""
    is_chinese = chinese_script(source) is not None and "-" in target.replace("_", "-")
    return in_script_of(text, target) if is_chinese or target == "zt" else text


@cache
def _converter(config: str) -> Any:
    import opencc

    return opencc.OpenCC(config)
