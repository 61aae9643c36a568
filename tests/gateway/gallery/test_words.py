"""The gallery's texts: every one is translated, the language is negotiated, and query words are highlighted."""

import ast
import re

import pytest

from gateway.gallery.excerpts import excerpt, highlight
from gateway.gallery.locale import SCRIPT_TEXTS, negotiate_language, translations, translator
from tests.paths import ROOT

GALLERY = ROOT / "gateway" / "gallery"
TRANSLATED_BY_VARIABLE = {
    "There is no such thing",
    "That did not work",
    "selected",
    "rejected",
    "generated",
    "subtitles",
}


def texts_in_templates() -> set[str]:
    found: set[str] = set()
    for path in (GALLERY / "templates").glob("*.html"):
        found |= {match[2] for match in re.finditer(r"""_\((["'])(.+?)\1[,)]""", path.read_text(encoding="utf-8"))}
    return found


def texts_in_pages() -> set[str]:
    """Collect the first argument of every call of `translate`, where it is a constant."""
    found: set[str] = set()
    for path in GALLERY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "translate":
                first = node.args[0]
                found |= {first.value} if isinstance(first, ast.Constant) else set()
    return found


def texts_in_scripts() -> set[str]:
    found: set[str] = set()
    for path in (GALLERY / "static").glob("*.js"):
        found |= set(re.findall(r"translate\('([^']+)'", path.read_text(encoding="utf-8")))
    return found


def test_every_text_has_a_chinese_translation() -> None:
    texts = translations("zh-Hans")
    used = texts_in_templates() | texts_in_pages() | set(SCRIPT_TEXTS) | TRANSLATED_BY_VARIABLE
    assert used - set(texts) == set()
    assert all(isinstance(text, str) and text for text in texts.values())


def test_the_placeholders_of_a_text_are_the_same_in_both_languages() -> None:
    for english, chinese in translations("zh-Hans").items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese)), english


def test_scripts_use_only_texts_that_pages_contain() -> None:
    assert texts_in_scripts() <= set(SCRIPT_TEXTS)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("de;q=0.9, en;q=0.3, zh;q=0.4", "zh-Hans"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr", "en"),
        ("", "en"),
        ("zh;q=x, en", "en"),
    ],
)
def test_the_supported_language_that_the_browser_prefers_is_chosen(header: str, language: str) -> None:
    assert negotiate_language(header) == language


def test_a_text_without_a_translation_stays_english() -> None:
    assert translator("zh-Hans")("no such text {n}", n=3) == "no such text 3"


def test_query_words_are_highlighted_and_everything_else_is_escaped() -> None:
    assert highlight("a <b>dog</b> & dogs", "dog") == ("a &lt;b&gt;<mark>dog</mark>&lt;/b&gt; &amp; <mark>dogs</mark>")
    assert highlight("<script>", "script") == "&lt;<mark>script</mark>&gt;"
    assert highlight("hotdog", "dog") == "hotdog"
    assert highlight("那只小狗在跑", "小狗") == "那只<mark>小狗</mark>在跑"
    assert highlight("plain", "") == "plain"


def test_an_excerpt_contains_the_first_match() -> None:
    shown = str(excerpt("word " * 200 + "the needle is here " + "more " * 200, "needle"))
    assert "<mark>needle</mark>" in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < 400
