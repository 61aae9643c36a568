"""Encode samples as sound files, chunk by chunk, so that a long recording can be sent while it is made."""

import io
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from media.audio.channels import Samples

SoundKind = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FileKind = Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "m4a"]
"""The kinds of whole files; m4a cannot be sent while it is made."""
SOUND_MEDIA_TYPES: dict[FileKind, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "m4a": "audio/mp4",
}
"""pcm is raw: signed, 16 bits, little-endian, at the rate of the samples."""
_CONTAINERS: dict[FileKind, tuple[str, str]] = {
    "mp3": ("mp3", "libmp3lame"),
    "opus": ("ogg", "libopus"),
    "aac": ("adts", "aac"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
    "pcm": ("s16le", "pcm_s16le"),
    "m4a": ("ipod", "aac"),
}
_BIT_EXACT = 0x800000  # AV_CODEC_FLAG_BITEXACT: the file does not name the version of the encoder
_BIT_RATE = 64_000
"""Of one channel of speech, in the lossy formats."""


class SoundEncoder:
    """Encode samples (float32 from -1 to 1, one channel) into a file, chunk by chunk.

    What is encoded can be taken at once; the beginning of such a file cannot say how long it is, and players read it to
    its end. Written to a file that can be sought, it can. Equal samples give equal bytes.
    """

    def __init__(self, rate: int, kind: FileKind, file: io.BytesIO | None = None) -> None:
        import av
        from av.container import Flags

        form, codec = _CONTAINERS[kind]
        self._written = _Written()
        self._rate = rate
        self._position = 0
        self._container: Any = av.open(file or self._written, mode="w", format=form)
        self._container.flags |= Flags.bitexact.value
        output_rate = 48_000 if kind == "opus" else rate
        self._stream: Any = self._container.add_stream(codec, rate=output_rate, layout="mono")
        self._stream.codec_context.flags |= _BIT_EXACT
        sample_format = "s16" if kind == "flac" else self._stream.format.name
        if kind == "flac":
            self._stream.format = sample_format
        elif kind not in ("wav", "pcm"):
            self._stream.bit_rate = _BIT_RATE
        self._resampler = av.AudioResampler(
            format=sample_format,
            layout="mono",
            rate=output_rate,
            frame_size=self._stream.codec_context.frame_size or 0,
        )

    def add(self, samples: Samples) -> bytes:
        """Encode samples; return what can be sent of the file by now."""
        import av

        frame = av.AudioFrame.from_ndarray(_as_int16(samples)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._position
        self._position += len(samples)
        self._encode(self._resampler.resample(frame))
        return self._written.take()

    def finish(self) -> bytes:
        """Return the rest of the file."""
        self._encode([*self._resampler.resample(None), None])
        self._container.close()
        return self._written.take()

    def _encode(self, frames: Iterable[Any]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))


def encode_whole(chunks: Iterable[Samples], rate: int, kind: FileKind) -> bytes:
    """Return a whole file with these samples, whose beginning says how long it is."""
    file = io.BytesIO()
    encoder = SoundEncoder(rate, kind, file)
    for samples in chunks:
        encoder.add(samples)
    encoder.finish()
    return file.getvalue()


def decode(data: bytes) -> tuple[Samples, int]:
    """Return the samples of a file that `encode` wrote, and their rate."""
    import av

    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    whole = np.concatenate(frames) if frames else np.zeros(0, np.int16)
    if whole.dtype == np.int16:
        whole = whole.astype(np.float32) / 32768
    elif whole.dtype == np.int32:
        whole = whole.astype(np.float32) / 2**31
    return whole.astype(np.float32), rate


def _as_int16(samples: Samples) -> "np.ndarray[Any, np.dtype[np.int16]]":
    return (np.clip(samples, -1, 1) * 32767).round().astype("<i2")


class _Written:
    """A file that cannot be read or sought: what is written to it is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
