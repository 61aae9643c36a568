"""Sentences are put together from cues and wrapped lines, and their translations are shared out again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rewriting.cues import TimedText, joined_text, sentence_groups, share_out
from media.rewriting.paragraphs import split_paragraphs

CUES = [
    TimedText("I have never seen", 0.0, 1.5),
    TimedText("a house as old as this.", 1.5, 3.0),
    TimedText("Who lives in", 3.2, 4.0),
    TimedText("it?", 4.0, 5.0),
    TimedText("- Nobody, and", 5.0, 6.0),
    TimedText("after a long pause", 9.0, 10.0),
]


def test_a_sentence_runs_over_cues_until_it_ends_somebody_else_speaks_or_there_is_a_pause() -> None:
    assert sentence_groups(CUES) == [[0, 1], [2, 3], [4], [5]]
    assert joined_text(["I have", " never seen "]) == "I have never seen"
    assert joined_text(["我从来", "没见过"]) == "我从来没见过"


def test_a_sentence_is_shared_out_in_proportion_and_rather_after_a_clause() -> None:
    never = share_out("Ich habe noch nie ein so altes Haus gesehen.", [17, 23])
    assert never == ["Ich habe noch nie", "ein so altes Haus gesehen."]
    assert share_out("Als es regnete, liefen wir nach Haus.", [18, 18]) == ["Als es regnete,", "liefen wir nach Haus."]
    assert share_out("我从来没见过这样的老房子。", [10, 14]) == ["我从来没见", "过这样的老房子。"]
    assert share_out("Estoy", [3, 2]) == ["Estoy", "Estoy"]


@given(
    st.lists(st.text(alphabet="abc你好，。", min_size=1, max_size=8), min_size=1, max_size=20),
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
)
def test_no_word_is_lost_or_reordered_between_cues(words: list[str], weights: list[int]) -> None:
    text = " ".join(words)
    parts = share_out(text, weights)
    assert len(parts) == len(weights)
    assert all(parts)
    if len("".join(text.split())) > 8 * len(weights):
        assert "".join("".join(parts).split()).startswith("".join(text.split())[:8])


WRAPPED = """\
The committee will meet again next Thursday, and then it will
talk about the money that the town has spent on the old bridge
over the river.

- An item that is long enough to be wrapped at the end of its
  line, too.
- Another one."""


def test_wrapped_paragraphs_are_joined_and_wrapped_again() -> None:
    paragraphs = split_paragraphs(WRAPPED.split("\n"))
    assert [p.text[:20] for p in paragraphs] == ["The committee will m", "", "- An item that is lo", "- Another one."]
    again = [line for p in paragraphs for line in p.wrapped(p.text)]
    assert "\n".join(again) == WRAPPED
    assert all(len(line) <= 62 for p in paragraphs for line in p.wrapped(p.text.upper() + " " + p.text))


@pytest.mark.parametrize(
    "text", ["One.\nTwo.\nThree.", "name: x\nvalue: y", "", "a\n\n\nb", "roses are red\nviolets are blue"]
)
def test_lines_that_are_no_wrapped_paragraph_stay_apart(text: str) -> None:
    assert [p.text for p in split_paragraphs(text.split("\n"))] == text.split("\n")
