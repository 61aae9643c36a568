"""Decode audio to 16 kHz mono, in pieces that are cut where it is quiet.

A piece has at most five minutes, which bounds the memory for a recording of any length.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from media.audio.channels import Samples, Tracks, channel_names, mixed, tracks_of
from media.errors import UnreadableMedia, UnsupportedMedia

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE = 16_000
_PIECE_SECONDS = 300
_SEARCH_SECONDS = 30
"""The last part of a piece in which the cut is made."""
_WINDOW_SECONDS = 0.4
# A whitelist, because playlists are formats too, and they open other files and URLs.
_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,ogg,mov,matroska,avi,mpeg,mpegts,asf,flv"
OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
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
def open_sound(path: Path, track: str = "") -> Generator[tuple["InputContainer", "AudioStream"]]:
    """Open a container and one of its audio streams with channels: by default the one marked as default, or the first.

    `track` is a number from 1, or a language. Raises UnreadableMedia, and UnsupportedMedia if there is no such track.
    """
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path), mode="r", metadata_errors="ignore", options=OPTIONS)
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
        yield container, _chosen(streams, track)


def read_pieces(path: Path, track: str = "", channel: int | None = None) -> Iterator[Piece]:
    """Yield the sound of a file piece by piece, up to where it is damaged.

    `track` as for `open_sound`; `channel` is the only one to hear, from 0. Raises UnreadableMedia, UnsupportedMedia.
    """
    with open_sound(path, track) as (container, stream):
        if channel is not None and channel >= stream.channels:
            raise UnsupportedMedia(f"The recording has {stream.channels} channels, and no channel {channel + 1}.")
        rate = stream.rate
        if gcd(rate, SAMPLE_RATE) * _MAX_KERNEL_ROWS < rate:
            rate = 48_000
        seconds = duration_seconds(container, stream)
        start = 0.0
        for samples, first in _split(_reduced(container, stream, rate, channel), rate):
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


def _chosen(streams: Sequence["AudioStream"], track: str) -> "AudioStream":
    """Return the stream with this number or language; without one, that which is marked as default, or the first."""
    from av.stream import Disposition

    if not track:
        return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    if track.isdecimal():
        if 1 <= int(track) <= len(streams):
            return streams[int(track) - 1]
        raise UnsupportedMedia(f"The recording has {len(streams)} tracks of sound, and no track {track}.")
    languages = [str(stream.metadata.get("language", "und")) for stream in streams]
    wanted = primary_language(track)
    for stream, language in zip(streams, languages, strict=True):
        if primary_language(language) == wanted:
            return stream
    raise UnsupportedMedia(f"The recording has no track in {track!r}: its tracks are in {', '.join(languages)}.")


def primary_language(tag: str) -> str:
    """Return the language of a tag without its region or script: deu, ger and de-AT are de. Other words stay."""
    import langcodes

    try:
        return langcodes.standardize_tag(tag).split("-")[0]
    except ValueError:
        return tag.lower()


def _reduced(
    container: "InputContainer", stream: "AudioStream", rate: int, channel: int | None
) -> Iterator[tuple[Tracks, float | None]]:
    """Yield what the mix needs of each frame, at `rate`, with the time in seconds at which the stream starts."""
    import av

    mixer, layout, first = None, None, None
    for frame in decoded_frames(container, stream):
        if first is None:
            begin = (container.start_time or 0) / 1_000_000
            first = max((frame.time or 0.0) - begin, 0.0)
        if mixer is None or layout != (frame.format.name, frame.layout.name, frame.sample_rate):
            mixer = av.AudioResampler(format="fltp", rate=rate)
            layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        for found in mixer.resample(frame):
            yield tracks_of(cast(Samples, found.to_ndarray()), channel_names(found.layout), channel), first
    if mixer is not None:
        for found in mixer.resample(None):
            yield tracks_of(cast(Samples, found.to_ndarray()), channel_names(found.layout), channel), first


def _split(frames: Iterator[tuple[Tracks, float | None]], rate: int) -> Iterator[tuple[Samples, float | None]]:
    """Mix frames, and split them into pieces of at most five minutes; the first one comes with its start in seconds."""
    kept: list[Samples] = []
    count = 0
    begin: float | None = None
    kind = ""
    is_first = True
    for tracks, first in frames:
        begin = first
        if kept and (tracks.kind != kind or len(tracks.rows) != len(kept[0])):  # the layout changes: rare, and lossy
            kept = [mixed(np.concatenate(kept, axis=1), kind)[None].repeat(len(tracks.rows), axis=0)]
        kind = tracks.kind
        kept.append(tracks.rows)
        count += tracks.rows.shape[1]
        if count >= _PIECE_SECONDS * rate:
            together = np.concatenate(kept, axis=1)
            whole = mixed(together, kind)
            end = quietest_position(whole, rate)
            kept, count = [together[:, end:].copy()], count - end
            yield whole[:end], begin if is_first else None
            del together, whole
            is_first = False
    if count:
        yield mixed(np.concatenate(kept, axis=1), kind), begin if is_first else None


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
