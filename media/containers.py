"""Open files of sound and film with PyAV, decode what can be decoded of them, and tell how long they are."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

# A whitelist, because playlists are formats too, and they open other files and URLs.
_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,ogg,mov,matroska,avi,mpeg,mpegts,asf,flv"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}


@contextmanager
def open_container(path: Path) -> Generator["InputContainer"]:
    """Open a file of a format that is accepted. Raises UnreadableMedia."""
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path), mode="r", metadata_errors="ignore", options=_OPTIONS)
    except (FFmpegError, ValueError, OSError) as error:
        raise UnreadableMedia(
            "The recording cannot be opened: it is not in a format that FFmpeg knows, or broken."
        ) from error
    with container:
        yield container


def decodable_frames(
    container: "InputContainer", stream: "AudioStream | VideoStream"
) -> Generator[Any, None, Exception | None]:
    """Yield the frames that can be decoded, skipping broken packets; return the last error if there is no frame."""
    from av.error import FFmpegError

    decoded = False
    fault: Exception | None = None
    packets = container.demux(stream)
    while True:
        try:
            for frame in next(packets).decode():
                decoded = True
                yield frame
        except (StopIteration, EOFError):
            break
        except FFmpegError as error:
            fault = error
            if not stream.codec_context.is_open:
                break
    return None if decoded else fault


def duration_seconds(container: "InputContainer", stream: "AudioStream | VideoStream") -> float | None:
    """Return the duration that the header gives, or None."""
    if stream.duration is not None and stream.time_base is not None:
        return max(float(stream.duration * stream.time_base), 0.0)
    return max(container.duration / 1_000_000, 0.0) if container.duration is not None else None
