"""Languages in any usual form; loops of the decoder collapsed, and credits over silence marked."""

import pytest

from modalities.speech.languages import separator, spoken_language
from modalities.speech.repetitions import collapsed, spoken
from modalities.speech.segments import Segment


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        *[(name, None) for name in ("", "auto", "AUTO", " ", "und", "detect")],
        *[(name, "zh-CN") for name in ("zh_CN", "zh-cn", "ZH-CN")],
        *[(name, "de") for name in ("de", "DE", "deu", "ger", "German", "german", "Deutsch")],
        *[("pt_br", "pt-BR"), ("iw", "he"), ("cantonese", "yue"), ("Klingonish", "Klingonish")],
    ],
)
def test_a_language_is_understood_in_any_usual_form(given: str, tag: str | None) -> None:
    assert spoken_language(given) == tag


def test_chinese_sentences_have_no_blanks_between_them() -> None:
    assert (separator("zh-TW"), separator("ja"), separator("de"), separator("und")) == ("", "", " ", " ")


def said(*texts: str) -> list[Segment]:
    return [Segment(start_seconds=n, end_seconds=n + 1, text=text) for n, text in enumerate(texts)]


def test_lines_that_come_three_times_or_more_are_one_that_is_marked() -> None:
    found = collapsed(said("Hello.", "I am going.", "I am going", " i am going! ", "I am going.", "Bye.", "Bye."))
    assert [(each.text, each.mark) for each in found] == [
        ("Hello.", None),
        ("I am going.", "repeated"),
        ("Bye.", None),
        ("Bye.", None),
    ]
    assert (found[1].start_seconds, found[1].end_seconds) == (1, 5)


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("and I was like " + "oh my god, " * 9 + "really", "and I was like oh my god, really"),
        ("谢谢大家" * 8, "谢谢大家"),
        ("It costs 1000000000 or 0.000000001 or 55555.", None),
        ("no no no, that is very very very good", None),
        ("Ha ha ha!", None),
    ],
)
def test_a_loop_in_a_line_is_collapsed_and_numbers_are_left_alone(text: str, shorter: str | None) -> None:
    (found,) = collapsed(said(text))
    assert found.text == (shorter or text)
    assert found.mark == ("repeated" if shorter else None)


@pytest.mark.parametrize(
    "text",
    [
        "Untertitel der Amara.org-Community",
        "Sous-titrage Société Radio-Canada",
        "Thanks for watching!",
        "Thank you for watching.",
        "字幕由Amara.org社区提供",
        "ご視聴ありがとうございました",
        "Sottotitoli creati dalla comunità Amara.org",
        "Субтитры сделал DimaTorzok",
    ],
)
def test_credits_that_the_model_makes_up_are_marked_and_left_out(text: str) -> None:
    found = collapsed(said("A real sentence.", text))
    assert [each.mark for each in found] == [None, "made-up"]
    assert [each.text for each in spoken(found)] == ["A real sentence."]


def test_an_unmarked_segment_is_stored_as_before() -> None:
    assert set(said("a")[0].model_dump()) == {"start_seconds", "end_seconds", "text", "words"}
    assert Segment.model_validate(collapsed(said("a", "a", "a"))[0].model_dump()).mark == "repeated"
