"""Films made for tests: scenes of one colour each, with or without sound."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]


def film(
    path: Path,
    scenes: Sequence[Colour | Image.Image],
    *,
    seconds: int = 2,
    fps: int = 10,
    codec: str = "mpeg4",
    sound: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a film of 160 × 120 pixels, in the format of its extension; each scene lasts so many seconds."""
    import av

    options = {"movflags": "use_metadata_tags"} if path.suffix.lower() in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata or {})
        pictures = container.add_stream(codec, rate=fps)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        voice = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48_000) if sound else None
        for scene in scenes:
            picture = scene if isinstance(scene, Image.Image) else Image.new("RGB", (160, 120), scene)
            for _ in range(seconds * fps):
                container.mux(pictures.encode(av.VideoFrame.from_image(picture)))
        container.mux(pictures.encode())
        if voice:
            tone = (np.sin(np.arange(48_000 * seconds * len(scenes)) * 0.05) * 8000).astype(np.int16)
            for start in range(0, len(tone) - 1024, 1024):
                frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48_000, start
                container.mux(voice.encode(frame))
            container.mux(voice.encode())
    return path


def turned_film(path: Path) -> Path:
    """Mark an MP4 as filmed with the phone upright: its frames are shown a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 120 * 65536, 0, 0x40000000)
    path.write_bytes(data)
    return path
