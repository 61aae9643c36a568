"""Decode audio to 16 kHz mono, in pieces that are cut where it is quiet.

A piece has at most five minutes, which bounds the memory for a recording of any length.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from media.errors import UnreadableMedia

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = npt.NDArray[np.float32]
SAMPLE_RATE = 16_000
_PIECE_SECONDS = 300
_SEARCH_SECONDS = 30
"""The last part of a piece in which the cut is made."""
_WINDOW_SECONDS = 0.4
# A whitelist, because playlists are formats too, and they open other files and URLs.
_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,ogg,mov,matroska,avi,mpeg,mpegts,asf,flv"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_MAX_KERNEL_ROWS = 1000
"""torchaudio's kernel has source rate / gcd rows; odd rates are first resampled by PyAV."""


@dataclass(frozen=True)
class Piece:
    """Samples at 16 kHz (float32, shape (n,)), their start, and the fraction of the recording up to their end."""

    samples: Samples
    start_seconds: float
    done: float

    @property
    def end_seconds(self) -> float:
        return self.start_seconds + len(self.samples) / SAMPLE_RATE


@contextmanager
def open_sound(path: Path) -> Generator[tuple["InputContainer", "AudioStream"]]:
    """Open a container and its first audio stream with channels. Raises UnreadableMedia."""
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path), mode="r", metadata_errors="ignore", options=_OPTIONS)
    except (FFmpegError, ValueError, OSError) as error:
        raise UnreadableMedia(
            "The recording cannot be opened: it is not in a format that FFmpeg knows, or broken."
        ) from error
    with container:
        streams = [stream for stream in container.streams.audio if _is_audible(stream)]
        if not streams:
            raise UnreadableMedia(
                "The recording has no sound that can be decoded: no audio stream with channels in it."
            )
        yield container, streams[0]


def read_pieces(path: Path) -> Iterator[Piece]:
    """Yield the sound of a file piece by piece, up to where it is damaged. Raises UnreadableMedia."""
    with open_sound(path) as (container, stream):
        rate = stream.rate
        if gcd(rate, SAMPLE_RATE) * _MAX_KERNEL_ROWS < rate:
            rate = 48_000
        seconds = duration_seconds(container, stream)
        start = 0.0
        for samples, first in _split(_mono(container, stream, rate), rate):
            start = first if first is not None else start
            end = start + len(samples) / rate
            yield Piece(_resampled(samples, rate), start, min(end / seconds, 1.0) if seconds else 1.0)
            start = end


def duration_seconds(container: "InputContainer", stream: "AudioStream") -> float | None:
    """Return the duration that the header gives, or None."""
    if stream.duration is not None and stream.time_base is not None:
        return max(float(stream.duration * stream.time_base), 0.0)
    return max(container.duration / 1_000_000, 0.0) if container.duration is not None else None


def measured_seconds(path: Path, limit: float) -> float:
    """Return the duration by the timestamps of the packets, not by the header; stop reading past `limit`."""
    from av.error import FFmpegError

    first, last = None, 0.0
    with open_sound(path) as (container, stream):
        try:
            for packet in container.demux(stream):
                if packet.pts is None:
                    continue
                start = float(packet.pts * packet.time_base)
                first = start if first is None else first
                last = max(last, start + float((packet.duration or 0) * packet.time_base) - first)
                if last > limit:
                    break
        except FFmpegError:  # truncated: use the packets before
            pass
        return last or duration_seconds(container, stream) or 0.0


def decoded_frames(container: "InputContainer", stream: "AudioStream") -> Iterator["AudioFrame"]:
    """Yield the frames that decode, skipping broken packets. Raises UnreadableMedia if none decodes."""
    from av.error import FFmpegError

    decoded = False
    fault: Exception | None = None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            for frame in packet.decode():
                decoded = True
                yield frame  # pyright: ignore[reportReturnType]
        except (StopIteration, EOFError):
            break
        except FFmpegError as error:
            fault = error
            if not stream.codec_context.is_open:
                break
    if fault and not decoded:
        raise UnreadableMedia("The recording has no sound that can be decoded: its data is broken.") from fault


def _is_audible(stream: Any) -> bool:
    context = stream.codec_context
    return context is not None and context.channels > 0 and (context.sample_rate or 0) > 0


def _mono(container: "InputContainer", stream: "AudioStream", rate: int) -> Iterator[tuple[Samples, float | None]]:
    """Yield mono samples at `rate` per frame, each with the time in seconds at which the stream starts."""
    import av

    mixer, layout, first = None, None, None
    for frame in decoded_frames(container, stream):
        if first is None:
            begin = (container.start_time or 0) / 1_000_000
            first = max((frame.time or 0.0) - begin, 0.0)
        if mixer is None or layout != (frame.format.name, frame.layout.name, frame.sample_rate):
            mixer = av.AudioResampler(format="fltp", rate=rate)
            layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        for mixed in mixer.resample(frame):
            yield mixed.to_ndarray().mean(axis=0, dtype=np.float32), first
    if mixer is not None:
        for mixed in mixer.resample(None):
            yield mixed.to_ndarray().mean(axis=0, dtype=np.float32), first


def _split(frames: Iterator[tuple[Samples, float | None]], rate: int) -> Iterator[tuple[Samples, float | None]]:
    """Split frames into pieces of at most five minutes; the first one comes with its start in seconds."""
    kept: list[Samples] = []
    count = 0
    begin: float | None = None
    is_first = True
    for samples, first in frames:
        begin = first
        kept.append(samples)
        count += len(samples)
        if count >= _PIECE_SECONDS * rate:
            together = np.concatenate(kept)
            end = quietest_position(together, rate)
            kept, count = [together[end:].copy()], count - end
            yield together[:end], begin if is_first else None
            del together
            is_first = False
    if count:
        yield np.concatenate(kept), begin if is_first else None


def quietest_position(samples: Samples, rate: int) -> int:
    """Return the index of the middle of the quietest 0.4 s in the last 30 s."""
    window = int(_WINDOW_SECONDS * rate)
    tail = samples[-_SEARCH_SECONDS * rate :]
    windows = tail[: len(tail) // window * window].reshape(-1, window)
    loudness = np.square(windows).mean(axis=1)
    return len(samples) - len(tail) + int(loudness.argmin()) * window + window // 2


def _resampled(samples: Samples, rate: int) -> Samples:
    import torch
    import torchaudio

    if rate == SAMPLE_RATE:
        return samples
    with torch.inference_mode():
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()
