"""The gallery's words: both languages have all of them, and searches mark them where they stand."""

import ast
import re

import pytest

from gateway.gallery.excerpts import excerpt, marked
from gateway.gallery.locale import IN_SCRIPTS, preferred, speaker, translations
from tests.paths import ROOT

GALLERY = ROOT / "gateway" / "gallery"
SAID_BY_VARIABLE = {"There is no such thing", "That did not work", "selected", "rejected", "generated", "subtitles"}


def said_in_templates() -> set[str]:
    found: set[str] = set()
    for path in (GALLERY / "templates").glob("*.html"):
        found |= {match[2] for match in re.finditer(r"""_\((["'])(.+?)\1[,)]""", path.read_text(encoding="utf-8"))}
    return found


def said_in_pages() -> set[str]:
    """The first argument of every `say`, and the texts of tables that are said later."""
    found: set[str] = set()
    for path in GALLERY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
                first = node.args[0]
                found |= {first.value} if isinstance(first, ast.Constant) else set()
    return found


def said_in_scripts() -> set[str]:
    found: set[str] = set()
    for path in (GALLERY / "static").glob("*.js"):
        found |= set(re.findall(r"say\('([^']+)'", path.read_text(encoding="utf-8")))
    return found


def test_every_text_has_its_chinese() -> None:
    texts = translations("zh-Hans")
    said = said_in_templates() | said_in_pages() | set(IN_SCRIPTS) | SAID_BY_VARIABLE
    assert said - set(texts) == set()
    assert all(isinstance(text, str) and text for text in texts.values())


def test_the_values_in_a_text_are_the_same_in_both_languages() -> None:
    for english, chinese in translations("zh-Hans").items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese)), english


def test_scripts_say_only_what_pages_send_along() -> None:
    assert said_in_scripts() <= set(IN_SCRIPTS)


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
def test_the_browsers_language_is_taken_if_we_speak_it(header: str, language: str) -> None:
    assert preferred(header) == language


def test_a_text_without_a_translation_stays_english() -> None:
    assert speaker("zh-Hans")("no such text {n}", n=3) == "no such text 3"


def test_words_are_marked_and_everything_else_is_escaped() -> None:
    assert marked("a <b>dog</b> & dogs", "dog") == ("a &lt;b&gt;<mark>dog</mark>&lt;/b&gt; &amp; <mark>dogs</mark>")
    assert marked("<script>", "script") == "&lt;<mark>script</mark>&gt;"
    assert marked("hotdog", "dog") == "hotdog"
    assert marked("那只小狗在跑", "小狗") == "那只<mark>小狗</mark>在跑"
    assert marked("plain", "") == "plain"


def test_an_excerpt_shows_where_the_words_stand() -> None:
    shown = str(excerpt("word " * 200 + "the needle is here " + "more " * 200, "needle"))
    assert "<mark>needle</mark>" in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < 400
