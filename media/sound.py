"""Sound: from any file that PyAV decodes to pieces of 16 kHz mono samples, cut where it is quiet.

A piece is at most five minutes, so that six hours need no more memory than five minutes do.
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
"""How far back from the end of a piece the quietest place is looked for."""
_WINDOW_SECONDS = 0.4
# Playlists, which fetch addresses and open other files, are formats too: only those named are opened.
_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,ogg,mov,matroska,avi,mpeg,mpegts,asf,flv"
_ONLY = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_LARGEST_RATIO = 1000
"""torchaudio's kernel has as many rows as the reduced target rate: odd rates go through PyAV's resampler first."""


@dataclass(frozen=True)
class Piece:
    """Samples at 16 kHz (float32, shape (n,)), where they begin, and the finished fraction once they are done."""

    samples: Samples
    start_seconds: float
    done: float

    @property
    def end_seconds(self) -> float:
        return self.start_seconds + len(self.samples) / SAMPLE_RATE


@contextmanager
def open_sound(path: Path) -> Generator[tuple["InputContainer", "AudioStream"]]:
    """A container and its first audio stream with channels. Raises UnreadableMedia."""
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path), mode="r", metadata_errors="ignore", options=_ONLY)
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
    """The sound of a file, piece by piece; what decodes before a damage is kept. Raises UnreadableMedia."""
    with open_sound(path) as (container, stream):
        rate = stream.rate
        if gcd(rate, SAMPLE_RATE) * _LARGEST_RATIO < rate:
            rate = 48_000
        seconds = duration_seconds(container, stream)
        start = 0.0
        for samples, first in _cut(_mono(container, stream, rate), rate):
            start = first if first is not None else start
            end = start + len(samples) / rate
            yield Piece(_resampled(samples, rate), start, min(end / seconds, 1.0) if seconds else 1.0)
            start = end


def duration_seconds(container: "InputContainer", stream: "AudioStream") -> float | None:
    """The length that the file claims; None when it claims none."""
    if stream.duration is not None and stream.time_base is not None:
        return max(float(stream.duration * stream.time_base), 0.0)
    return max(container.duration / 1_000_000, 0.0) if container.duration is not None else None


def measured_seconds(path: Path, limit: float) -> float:
    """The length by the times of the packets, not by the header's word; stops reading past `limit`."""
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
        except FFmpegError:  # cut off: what came before counts
            pass
        return last or duration_seconds(container, stream) or 0.0


def decoded_frames(container: "InputContainer", stream: "AudioStream") -> Iterator["AudioFrame"]:
    """The frames that decode; broken packets are passed over. Raises UnreadableMedia if all are broken."""
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
    """Mono samples at `rate`, frame by frame, each with the second at which the sound of the file sets in."""
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


def _cut(frames: Iterator[tuple[Samples, float | None]], rate: int) -> Iterator[tuple[Samples, float | None]]:
    """Pieces of at most five minutes; the first one with the second at which it begins."""
    kept: list[Samples] = []
    held = 0
    begin: float | None = None
    is_first = True
    for samples, first in frames:
        begin = first
        kept.append(samples)
        held += len(samples)
        if held >= _PIECE_SECONDS * rate:
            together = np.concatenate(kept)
            end = quietest(together, rate)
            kept, held = [together[end:].copy()], held - end
            yield together[:end], begin if is_first else None
            del together
            is_first = False
    if held:
        yield np.concatenate(kept), begin if is_first else None


def quietest(samples: Samples, rate: int) -> int:
    """The middle of the quietest 0.4 s in the last 30 s."""
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
