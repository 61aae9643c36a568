"""Choose and decode the sound of a file. Pieces of it, at 16 kHz mono, are read by media.recordings.pieces."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from media.audio.channels import Samples, Tracks, channel_names, tracks_of
from media.containers import decodable_frames, duration_seconds, open_container
from media.errors import UnreadableMedia, UnsupportedMedia

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE = 16_000
_WINDOW_SECONDS = 0.4
_MAX_KERNEL_ROWS = 1000
"""torchaudio's kernel has source rate / gcd rows; odd rates are first resampled by PyAV."""


@contextmanager
def open_sound(
    path: Path, track: str = "", channel: int | None = None
) -> Generator[tuple["InputContainer", "AudioStream"]]:
    """Open a container and one of its audio streams with channels: by default the one marked as default, or the first.

    `track` is a number from 1, or a language. Raises UnreadableMedia, and UnsupportedMedia if there is no such track or
    channel (from 0).
    """
    with open_container(path) as container:
        streams = [stream for stream in container.streams.audio if _is_audible(stream)]
        if not streams:
            raise UnreadableMedia(
                "The recording has no sound that can be decoded: no audio stream with channels in it."
            )
        stream = _chosen(streams, track)
        if channel is not None and channel >= stream.channels:
            raise UnsupportedMedia(f"The recording has {stream.channels} channels, and no channel {channel + 1}.")
        yield container, stream


def decoding_rate(stream: "AudioStream") -> int:
    """Return the rate at which a stream is decoded: its own, unless torchaudio cannot resample it well."""
    return 48_000 if gcd(stream.rate, SAMPLE_RATE) * _MAX_KERNEL_ROWS < stream.rate else stream.rate


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
    fault = yield from decodable_frames(container, stream)
    if fault:
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


def reduced_frames(
    container: "InputContainer", stream: "AudioStream", rate: int, channel: int | None
) -> Iterator[tuple[Tracks, float | None]]:
    """Yield what the mix needs of each frame, at `rate`, with the time in seconds of the frame in its stream."""
    import av

    mixer, layout, time = None, None, None
    for frame in decoded_frames(container, stream):
        time = frame.time
        if mixer is None or layout != (frame.format.name, frame.layout.name, frame.sample_rate):
            mixer = av.AudioResampler(format="fltp", rate=rate)
            layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        for found in mixer.resample(frame):
            yield tracks_of(cast(Samples, found.to_ndarray()), channel_names(found.layout), channel), time
    if mixer is not None:
        for found in mixer.resample(None):
            yield tracks_of(cast(Samples, found.to_ndarray()), channel_names(found.layout), channel), time


def quietest_position(samples: Samples, rate: int) -> int:
    """Return the index of the middle of the quietest 0.4 s."""
    window = int(_WINDOW_SECONDS * rate)
    if len(samples) < window:
        return len(samples) // 2
    windows = samples[: len(samples) // window * window].reshape(-1, window)
    loudness = np.square(windows).mean(axis=1)
    return int(loudness.argmin()) * window + window // 2


def resampled(samples: Samples, rate: int) -> Samples:
    import torch
    import torchaudio

    if rate == SAMPLE_RATE:
        return samples
    with torch.inference_mode():
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()
