"""Read one piece of a recording without reading what is before it: pieces can be transcribed in any order, anywhere.

Piece n ends where it is quietest around (n + 1) × 45 seconds, and piece n + 1 begins there: each finds both cuts by
itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from media.audio.channels import Samples, Tracks, mixed
from media.audio.sound import decoding_rate, open_sound, quietest_position, reduced_frames, resampled
from media.containers import duration_seconds

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

PIECE_SECONDS = 45.0
_SEARCH_SECONDS = 7.5
"""How far from its time a cut may be."""
_TAIL_SECONDS = 15.0
"""A rest that is shorter belongs to the piece before."""
_RUN_UP_SECONDS = 2.0
"""Decoded and thrown away after a seek: decoders need some frames to give the same samples as without one."""


@dataclass(frozen=True)
class Window:
    """Samples at 16 kHz (float32, shape (n,)), their times, and whether they are the last of the recording.

    `expected_seconds` is the duration of the recording by its header, 0 if that says nothing.
    """

    samples: Samples
    start_seconds: float
    end_seconds: float
    is_last: bool
    expected_seconds: float


@dataclass
class _Stretch:
    """Rows of sound (see channels) from a time on; `is_whole` if the recording ends with them."""

    rows: Samples
    kind: str
    start_seconds: float
    is_whole: bool


def count_windows(seconds: float) -> int:
    """Return how many pieces a recording of this duration has."""
    return 1 + max(int(np.ceil((seconds - _TAIL_SECONDS) / PIECE_SECONDS)) - 1, 0)


def read_window(path: Path, number: int, track: str = "", channel: int | None = None) -> Window:
    """Return piece `number` of a recording, from 0; an empty one, marked as the last, past its end.

    Raises UnreadableMedia, UnsupportedMedia.
    """
    first_cut, last_cut = number * PIECE_SECONDS, (number + 1) * PIECE_SECONDS
    begin = first_cut - _SEARCH_SECONDS if number else 0.0
    with open_sound(path, track, channel) as (container, stream):
        rate = decoding_rate(stream)
        expected = duration_seconds(container, stream) or 0.0
        found = _read(container, stream, rate, channel, begin, last_cut + _TAIL_SECONDS)
    if found is None:  # the seek led past the beginning
        with open_sound(path, track, channel) as (container, stream):
            found = _read(container, stream, rate, channel, begin, last_cut + _TAIL_SECONDS, may_seek=False)
    end_seconds = found.start_seconds + found.rows.shape[1] / rate if found else 0.0
    if found is None or (number and found.is_whole and end_seconds <= first_cut + _TAIL_SECONDS):
        return Window(np.zeros(0, np.float32), first_cut, first_cut, is_last=True, expected_seconds=expected)
    first = _cut(found, rate, first_cut) if number else 0
    last = found.rows.shape[1] if found.is_whole else _cut(found, rate, last_cut)
    samples = resampled(mixed(found.rows[:, first:last], found.kind), rate)
    start = found.start_seconds + first / rate
    return Window(samples, start, start + (last - first) / rate, found.is_whole, expected)


def _read(
    container: "InputContainer",
    stream: "AudioStream",
    rate: int,
    channel: int | None,
    begin: float,
    end: float,
    *,
    may_seek: bool = True,
) -> _Stretch | None:
    """Decode what is between two times; None if a seek led past the beginning, or nothing is there."""
    offset = (container.start_time or 0) / 1_000_000
    seeks = may_seek and begin > _RUN_UP_SECONDS * 5
    if seeks:
        container.seek(int((begin - _RUN_UP_SECONDS + offset) * 1_000_000))
    kept: list[Samples] = []
    start, position, kind, is_whole = begin, None, "", True
    for tracks, time in _timed(reduced_frames(container, stream, rate, channel), rate, offset):
        position = time
        if seeks and not kept and time > begin + _RUN_UP_SECONDS:
            return None
        if time >= end:
            is_whole = False
            break
        rows = tracks.rows[:, max(round((begin - time) * rate), 0) :]
        if rows.shape[1] == 0:
            continue
        if not kept:
            start, kind = max(time, begin), tracks.kind
        kept.append(_fitted(rows, kept))
    if not kept:
        return None if seeks or position is None else _Stretch(np.zeros((1, 0), np.float32), "one", position, True)
    return _Stretch(np.concatenate(kept, axis=1), kind, start, is_whole)


def _timed(frames: Iterator[tuple[Tracks, float | None]], rate: int, offset: float) -> Iterator[tuple[Tracks, float]]:
    """Yield frames with their time in the recording: that of the first one, and from there on by counting samples."""
    first: float | None = None
    count = 0
    for tracks, time in frames:
        if first is None:
            first = max((time or 0.0) - offset, 0.0)
        yield tracks, first + count / rate
        count += tracks.rows.shape[1]


def _fitted(rows: Samples, kept: list[Samples]) -> Samples:
    """Return as many rows as the frames before have: the layout of the channels may change within a recording."""
    if not kept or len(rows) == len(kept[0]):
        return rows
    return rows[:1].repeat(len(kept[0]), axis=0)


def _cut(found: _Stretch, rate: int, seconds: float) -> int:
    """Return the quietest position around a time."""
    middle = round((seconds - found.start_seconds) * rate)
    first = max(middle - round(_SEARCH_SECONDS * rate), 0)
    around = found.rows[0, first : middle + round(_SEARCH_SECONDS * rate)]
    return first + quietest_position(around, rate) if len(around) else middle
