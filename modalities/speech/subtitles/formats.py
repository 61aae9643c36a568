"""Write cues as SubRip, WebVTT and plain text, and read SubRip and WebVTT."""

import html
import re
from collections.abc import Iterable, Sequence

from media.rewriting.cue_syntax import cue_times, without_tags
from modalities.speech.segments import Segment
from modalities.speech.subtitles.cues import Cue


def to_srt(shown: Sequence[Cue]) -> str:
    """Format cues as SubRip: numbered, with a comma before the milliseconds."""
    blocks = (
        f"{number}\n{clock(cue.start_seconds, ',')} --> {clock(cue.end_seconds, ',')}\n{_srt_text(cue.text)}\n"
        for number, cue in enumerate(shown, start=1)
    )
    return "\n".join(blocks)


def to_vtt(shown: Sequence[Cue]) -> str:
    """Format cues as WebVTT: a full stop before the milliseconds; &, < and > are escaped."""
    blocks = (
        f"{clock(cue.start_seconds, '.')} --> {clock(cue.end_seconds, '.')}\n{_vtt_text(cue.text)}\n" for cue in shown
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_text(segments: Iterable[Segment]) -> str:
    """Return the text without times, one line per segment."""
    return "".join(f"{' '.join(segment.text.split())}\n" for segment in segments if segment.text.strip())


def read_cues(text: str) -> tuple[Cue, ...]:
    """Read the cues of a SubRip or WebVTT file, without markup; whatever is no cue is left out."""
    is_vtt = text.lstrip("\ufeff").startswith("WEBVTT")
    found: list[Cue] = []
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    place = 0
    while place < len(lines):
        times = cue_times(lines[place])
        place += 1
        if not times:
            continue
        end = place
        while end < len(lines) and lines[end].strip():
            end += 1
        shown = "\n".join(without_tags(line).strip() for line in lines[place:end])
        text_shown = html.unescape(shown) if is_vtt else shown
        found.append(Cue(start_seconds=times[0], end_seconds=times[1], text=text_shown))
        place = end
    return tuple(found)


def clock(seconds: float, point: str) -> str:
    """Format as HH:MM:SS and milliseconds, with more digits for 100 hours and above."""
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{milliseconds:03}"


def _srt_text(text: str) -> str:
    return text.replace("-->", "→")


def _vtt_text(text: str) -> str:
    return re.sub(r"[&<>]", lambda found: {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[found[0]], text)
