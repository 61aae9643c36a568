"""Transcripts are split into readable cues and written in standard subtitle formats."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rewriting.cue_syntax import cue_times
from modalities.speech.segments import Segment, Word
from modalities.speech.subtitles.check import check_cues
from modalities.speech.subtitles.cues import Cue, cues, translated_segments
from modalities.speech.subtitles.formats import read_cues, to_srt, to_text, to_vtt
from modalities.speech.subtitles.lines import columns
from modalities.speech.subtitles.styles import NETFLIX, PLAIN, STYLES, Style

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
        assert all(line == line.strip() and 0 <= columns(line) <= NETFLIX.columns for line in lines)
        assert 0 < cue.end_seconds - cue.start_seconds <= NETFLIX.longest_seconds + 0.001
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
    first, second, *_ = cues([spoken(SENTENCE)], PLAIN)
    assert first.text == "And so, my fellow Americans, ask not\nwhat your country can do for you,"
    assert second.text.startswith("ask what you can do")
    assert second.start_seconds == pytest.approx(14 * 0.4)


def test_nothing_is_shown_through_a_long_pause() -> None:
    before, after = spoken("Ready?"), spoken("Go!", start=5.0)
    one = Segment(start_seconds=0, end_seconds=5.4, text="Ready? Go!", words=before.words + after.words)
    assert [(cue.text, cue.start_seconds, cue.end_seconds) for cue in cues([one], PLAIN)] == [
        ("Ready?", 0.0, 1.0),
        ("Go!", 5.0, 6.0),
    ]


def test_a_chinese_character_takes_two_columns() -> None:
    (cue,) = cues([Segment(start_seconds=0, end_seconds=5, text="今天天气很好，我们去公园散步，然后一起吃饭。好吗？")])
    assert all(columns(line) <= 32 for line in cue.text.split("\n"))
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


def test_a_translated_segment_is_split_within_its_own_time() -> None:
    segment = spoken(SENTENCE, start=10.0)
    shown = cues(translated_segments([segment], ["Wort " * 50]), PLAIN)
    assert shown[0].start_seconds == 10.0
    assert shown[-1].start_seconds < segment.end_seconds < shown[-1].end_seconds + 0.001
    assert len(shown) > 2


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
@pytest.mark.parametrize("pace", [0.25, 0.33, 0.45])
def test_speech_at_an_ordinary_pace_passes_its_own_check(style: Style, pace: float) -> None:
    if style.name == "bbc" and pace < 0.3:
        return  # 240 words a minute are more than anybody should have to read
    said = [spoken(SENTENCE, 1.0, pace)]
    for text in ("Yes.", "No!", "Well, it is what I said to you yesterday.", "Go.", SENTENCE, "Oh."):
        said.append(spoken(text, said[-1].end_seconds + (0.0 if len(said) % 2 else 0.3), pace))
    shown = cues(said, style)
    assert check_cues(shown, style) == []
    assert bare("".join(cue.text for cue in shown)) == bare("".join(segment.text for segment in said))
    for cue in shown:
        first = next(each for each in said if each.start_seconds <= cue.end_seconds <= each.end_seconds + 3)
        assert cue.start_seconds >= first.start_seconds - 1.0


def test_a_word_that_would_flash_by_is_shown_with_what_follows() -> None:
    shown = cues([spoken("Yes.", 0, 0.3), spoken("I think so, too, my dear.", 0.3, 0.3)])
    assert [cue.text for cue in shown] == ["Yes. I think so, too, my dear."]
    chinese = [
        Segment(start_seconds=0, end_seconds=0.4, text="好。"),
        Segment(start_seconds=0.4, end_seconds=2, text="我们走吧。"),
    ]
    assert [cue.text for cue in cues(chinese)] == ["好。我们走吧。"]


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.org/a/very/long/path/to/some/page.html?query=1&other=2",
        "somebody.with-a-name@mail.example.com",
    ],
)
def test_an_address_is_never_cut(address: str) -> None:
    for text in (f"You will find all of it at {address}, as I said.", f"请看{address}，谢谢大家。"):
        shown = cues([Segment(start_seconds=0, end_seconds=12, text=text)])
        assert any(address in line for cue in shown for line in cue.text.split("\n"))
        assert not [fault for fault in check_cues(shown, NETFLIX) if "address" in fault.rule or "line" in fault.rule]


def cue(start: float, end: float, text: str) -> Cue:
    return Cue(start_seconds=start, end_seconds=end, text=text)


@pytest.mark.parametrize(
    ("shown", "rules"),
    [
        ([cue(0, 2, "Good."), cue(2.2, 4, "Fine.")], []),
        ([cue(0, 0.5, "Hi.")], ["shown for 0.50 s, and 0.83 s are the least"]),
        ([cue(0, 9, "A long time.")], ["shown for 9.00 s, and 7 s are the most"]),
        ([cue(0, 2, "x" * 43)], ["a line has 43 characters, and 42 are the most", "21.5 characters a second"]),
        ([cue(0, 4, "今天天气很好我们一起去公园散步吧好")], ["a line has 17 characters, and 16 are the most"]),
        ([cue(0, 4, "a\nb\nc")], ["3 lines, and 2 are the most"]),
        ([cue(0, 2, "One."), cue(1.5, 4, "Two.")], ["overlaps the next one by 0.50 s"]),
        ([cue(0, 2, "One."), cue(2.04, 4, "Two.")], ["gap to the next one is 0.04 s, and 0.08 s are the least"]),
        ([cue(2, 1, "Back.")], ["ends before it begins"]),
        ([cue(0, 2, "See www.example.\norg/page")], ["an address is cut"]),
        ([cue(0, 2, "Read it.\nOrganise it.")], []),
    ],
)
def test_the_check_names_what_breaks_the_rules(shown: list[Cue], rules: list[str]) -> None:
    found = [fault.rule for fault in check_cues(shown, NETFLIX)]
    assert len(found) == len(rules)
    assert all(rule in fault for rule, fault in zip(rules, found, strict=True))


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("00:00:01,5 --> 00:00:02,250 X1:1", (1.5, 2.25)),
        ("  01:02.003-->1:00:00.000", (62.003, 3600.0)),
        ("1", None),
        ("00:00:01 --> 00:00:02", None),
    ],
)
def test_the_times_of_a_cue_are_read_the_same_wherever_cues_are(line: str, times: tuple[float, float] | None) -> None:
    assert cue_times(line) == times


def test_files_of_other_tools_are_read() -> None:
    first = "\ufeff1\r\n00:00:01,5 --> 00:00:02,000 X1:1\r\n<i>Hello</i>\r\n{\\an8}there\r\n\r\n\r\n"
    srt = f"{first}7\r\n1:00:00,000-->1:00:01,000\r\nB"
    assert read_cues(srt) == (cue(1.5, 2, "Hello\nthere"), cue(3600, 3601, "B"))
    vtt = "WEBVTT\n\nNOTE no cue\n\nname\n00:01.000 --> 00:02.000 align:start\n<v Ada>Q &amp; A</v>\n"
    assert read_cues(vtt) == (cue(1, 2, "Q & A"),)
    shown = cues([spoken(SENTENCE)])
    assert read_cues(to_srt(shown)) == read_cues(to_vtt(shown)) == shown
