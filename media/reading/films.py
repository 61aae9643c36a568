"""Read the pictures of a film: its properties, a poster, and a frame of each scene with its time."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from media.containers import decodable_frames, duration_seconds, open_container
from media.errors import UnreadableMedia
from media.facts import Property
from media.images.exif import iso_time
from media.images.live_photos import LIVE_PHOTO, checked_identifier
from media.reading.contents import Blobs, Extract, Rendering
from media.reading.renditions import to_jpeg

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Sight = NDArray[np.float32]
"""A frame as 16 × 16 × 3 values, to compare it with others."""
_FRAME_SIDE = 1600
_SHORT_SECONDS = 120.0
"""A shorter film is decoded frame by frame; of a longer one, key frames only, which encoders put at scene changes."""
_SAMPLES_PER_SECOND = 4
_MIN_SCENE_SECONDS, _MAX_SCENE_SECONDS = 1.0, 120.0
"""No two frames are kept closer than this, and none farther apart."""
_SCENE_CHANGE = 18.0
"""Mean difference of colour values (0 to 255) from which a frame is another scene."""
_MAX_FRAMES = 300
_PLAIN = 6.0
"""The standard deviation of colour values below which a frame is empty: black before the film begins."""


def film_properties(path: Path) -> dict[str, Property]:
    """Return width and height as shown, and when and with what it was filmed; empty without a picture that decodes."""
    with _opened(path) as (container, stream):
        frame = next(_frames(container, stream), None) if stream else None
        if frame is None or stream is None:
            return {}
        width, height = _upright(frame).size
        properties: dict[str, Property] = {"width": width, "height": height}
        seconds = duration_seconds(container, stream)
        return properties | ({"film_seconds": round(seconds, 3)} if seconds else {}) | _metadata(container.metadata)


def film_format(path: Path) -> str:
    """Return FFmpeg's name of the container's format. Raises UnreadableMedia."""
    with _opened(path) as (container, _):
        return container.format.name


def read_film(path: Path, blobs: Blobs) -> Extract:
    """Return a poster, and a frame of each scene. Raises UnreadableMedia if no frame decodes."""
    frames: list[Rendering] = []
    poster: Rendering | None = None
    with _opened(path) as (container, stream):
        if stream is None:
            return Extract()
        for seconds, frame, sight in _scenes(container, stream):
            rendering = Rendering(blob=blobs.add(_encoded(frame)), place=f"t={seconds:.2f}")
            frames.append(rendering)
            if poster is None and float(sight.std()) > _PLAIN:
                poster = Rendering(blob=rendering.blob)
            if len(frames) >= _MAX_FRAMES:
                break
    if not frames:
        raise UnreadableMedia("The film has no picture that can be decoded: its data is broken.")
    cut = f"The first {_MAX_FRAMES} scenes are found by what they show." if len(frames) >= _MAX_FRAMES else ""
    return Extract(shown=poster or Rendering(blob=frames[0].blob), frames=tuple(frames), cut=cut)


@contextmanager
def _opened(path: Path) -> Generator[tuple["InputContainer", "VideoStream | None"]]:
    """Open a container and its first video stream that is not cover art. Raises UnreadableMedia."""
    from av.stream import Disposition

    with open_container(path) as container:
        streams = [
            stream
            for stream in container.streams.video
            if stream.codec_context is not None  # pyright: ignore[reportUnnecessaryComparison] - of codecs that FFmpeg lacks
            and not stream.disposition & Disposition.attached_pic
        ]
        yield container, streams[0] if streams else None


def _frames(container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
    """Yield the frames that can be decoded and have a size."""
    yield from (frame for frame in decodable_frames(container, stream) if frame.width and frame.height)


def _scenes(container: "InputContainer", stream: "VideoStream") -> Iterator[tuple[float, "VideoFrame", Sight]]:
    """Yield the first frame, and each that differs from the last one yielded, with its time in seconds."""
    seconds = duration_seconds(container, stream)
    if seconds is None or seconds > _SHORT_SECONDS:
        stream.codec_context.skip_frame = "NONKEY"
    begin = (container.start_time or 0) / 1_000_000
    last: Sight | None = None
    last_seconds, next_sample = -1e9, 0.0
    for frame in _frames(container, stream):
        now = max((frame.time or 0.0) - begin, 0.0)
        if now < next_sample and last is not None:
            continue
        next_sample = now + 1 / _SAMPLES_PER_SECOND
        sight = _sight(frame)
        apart = now - last_seconds
        changed = last is None or float(np.abs(sight - last).mean()) > _SCENE_CHANGE
        if apart > _MAX_SCENE_SECONDS or (changed and apart >= _MIN_SCENE_SECONDS):
            last, last_seconds = sight, now
            yield now, frame, sight


def _sight(frame: "VideoFrame") -> Sight:
    small = frame.reformat(width=16, height=16, format="rgb24")
    return small.to_ndarray().astype(np.float32)


def _upright(frame: "VideoFrame") -> Any:
    picture = frame.to_image()
    turn = int(getattr(frame, "rotation", 0) or 0) % 360
    return picture.rotate(turn, expand=True) if turn else picture


def _encoded(frame: "VideoFrame") -> bytes:
    picture = _upright(frame)
    picture.thumbnail((_FRAME_SIDE, _FRAME_SIDE))
    return to_jpeg(picture)


def _metadata(metadata: dict[str, str]) -> dict[str, Property]:
    """When and with what it was filmed, by Apple's keys, which have a time zone, or the common ones; its live photo."""
    keys = {key.lower(): value for key, value in metadata.items()}
    taken = keys.get("com.apple.quicktime.creationdate") or keys.get("creation_time") or keys.get("date", "")
    make, model = (keys.get(f"com.apple.quicktime.{name}") or keys.get(name, "") for name in ("make", "model"))
    camera = " ".join("".join(c for c in f"{make} {model}" if c.isprintable()).split())[:100]
    stamp = iso_time(taken)
    properties: dict[str, Property] = {}
    if stamp:
        properties["taken"] = stamp
    if camera:
        properties["camera"] = camera
    if identifier := checked_identifier(keys.get("com.apple.quicktime.content.identifier", "")):
        properties[LIVE_PHOTO] = identifier
    return properties
