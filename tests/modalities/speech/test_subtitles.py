"""Transcripts are split into readable cues and written in standard subtitle formats."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.speech.segments import Segment, Word
from modalities.speech.subtitles import (
    COLUMNS,
    LONGEST_SECONDS,
    Cue,
    columns,
    cues,
    to_srt,
    to_text,
    to_vtt,
    translated_cues,
    translated_segments,
)

SENTENCE = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country, "
    "and then go home and do it."
)
letters = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60)
cjk = st.text("東京都は日本の首都です。今日天気が良い、", min_size=1, max_size=200)


def spoken(text: str, start: float = 0.0, seconds_per_word: float = 0.4) -> Segment:
    """Build a segment as Whisper returns it: each word with its leading space."""
    words: list[Word] = []
    for number, word in enumerate(text.split()):
        begin = round(start + number * seconds_per_word, 3)
        end = round(begin + seconds_per_word, 3)
        words.append(Word(start_seconds=begin, end_seconds=end, text=f" {word}", probability=0.9))
    return Segment(start_seconds=start, end_seconds=words[-1].end_seconds, text=text, words=tuple(words))


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    segments: list[Segment] = []
    now = 0.0
    for text in draw(st.lists(st.one_of(letters, cjk, st.just(SENTENCE)), max_size=6)):
        length = draw(st.floats(0, 30, allow_nan=False))
        if draw(st.booleans()) and text.split():
            segments.append(spoken(" ".join(text.split()), now, length / len(text.split())))
        else:
            segments.append(Segment(start_seconds=now, end_seconds=now + length, text=text))
        now += length + draw(st.floats(0, 3, allow_nan=False))
    return segments


def bare(text: str) -> str:
    """Remove white space and control characters."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())


@given(transcripts())
def test_every_cue_is_readable_and_none_overlap(segments: list[Segment]) -> None:
    shown = cues(segments)
    for cue in shown:
        lines = cue.text.split("\n")
        assert 1 <= len(lines) <= 2
        assert all(line == line.strip() and 0 <= columns(line) <= COLUMNS for line in lines)
        assert 0 < cue.end_seconds - cue.start_seconds <= LONGEST_SECONDS + 0.001
    assert all(cue.end_seconds <= later.start_seconds for cue, later in pairwise(shown))


@given(transcripts())
def test_no_word_is_lost_or_reordered(segments: list[Segment]) -> None:
    said = bare("".join(segment.text for segment in segments))
    assert bare("".join(cue.text for cue in cues(segments))) == said


@given(transcripts())
def test_srt_and_vtt_have_one_block_for_each_cue(segments: list[Segment]) -> None:
    shown = cues(segments)
    srt, vtt = to_srt(shown), to_vtt(shown)
    assert len(re.findall(r"^\d{2,}:\d\d:\d\d,\d{3} --> \d{2,}:\d\d:\d\d,\d{3}$", srt, re.MULTILINE)) == len(shown)
    assert len(re.findall(r"^\d{2,}:\d\d:\d\d\.\d{3} --> \d{2,}:\d\d:\d\d\.\d{3}$", vtt, re.MULTILINE)) == len(shown)
    assert srt.count("-->") == vtt.count("-->") == len(shown)


def test_a_long_segment_is_split_after_a_clause_at_its_word_times() -> None:
    first, second, *_ = cues([spoken(SENTENCE)])
    assert first.text == "And so, my fellow Americans, ask not\nwhat your country can do for you,"
    assert second.text.startswith("ask what you can do")
    assert second.start_seconds == pytest.approx(14 * 0.4)


def test_nothing_is_shown_through_a_long_pause() -> None:
    before, after = spoken("Ready?"), spoken("Go!", start=5.0)
    one = Segment(start_seconds=0, end_seconds=5.4, text="Ready? Go!", words=before.words + after.words)
    assert [(cue.text, cue.start_seconds, cue.end_seconds) for cue in cues([one])] == [
        ("Ready?", 0.0, 1.0),
        ("Go!", 5.0, 6.0),
    ]


def test_a_chinese_character_takes_two_columns() -> None:
    (cue,) = cues([Segment(start_seconds=0, end_seconds=5, text="今天天气很好，我们去公园散步，然后一起吃饭。好吗？")])
    assert all(columns(line) <= COLUMNS for line in cue.text.split("\n"))
    assert cue.text.count("\n") == 1


def test_srt_is_numbered_and_has_commas() -> None:
    shown = [Cue(start_seconds=0, end_seconds=1.5, text="One"), Cue(start_seconds=3661.007, end_seconds=3662, text="B")]
    assert to_srt(shown) == ("1\n00:00:00,000 --> 00:00:01,500\nOne\n\n2\n01:01:01,007 --> 01:01:02,000\nB\n")


def test_vtt_escapes_markup() -> None:
    shown = [Cue(start_seconds=0, end_seconds=1, text="<b>Q&A</b> --> now")]
    assert to_vtt(shown) == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n&lt;b&gt;Q&amp;A&lt;/b&gt; --&gt; now\n"


def test_plain_text_has_a_line_for_each_segment() -> None:
    assert to_text([spoken("Good morning."), spoken("How are you?")]) == "Good morning.\nHow are you?\n"


def test_silence_has_no_cues() -> None:
    assert cues([]) == ()
    assert to_vtt(()) == "WEBVTT\n"
    assert to_srt(()) == ""


def test_translated_cues_keep_their_times() -> None:
    originals = cues([spoken("Good morning."), spoken("How are you?", start=2.0)])
    german = translated_cues(originals, ["Guten Morgen.", "Wie geht es dir?"])
    assert [cue.text for cue in german] == ["Guten Morgen.", "Wie geht es dir?"]
    assert [(c.start_seconds, c.end_seconds) for c in german] == [(c.start_seconds, c.end_seconds) for c in originals]


def test_a_translated_segment_is_split_within_its_own_time() -> None:
    segment = spoken(SENTENCE, start=10.0)
    shown = cues(translated_segments([segment], ["Wort " * 50]))
    assert shown[0].start_seconds == 10.0
    assert shown[-1].start_seconds < segment.end_seconds < shown[-1].end_seconds + 0.001
    assert len(shown) > 2
