"""Add a sound track to a film, whose own pictures and sound are copied as they are."""

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.containers import open_container
from media.errors import UnsupportedMedia

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_FILM_BYTES = 300_000_000
"""The film is copied in memory."""
FILM_ENDINGS = {"video/mp4": "mp4", "video/x-matroska": "mkv"}
_FORMATS = {"video/mp4": "mp4", "video/x-matroska": "matroska"}
_COPIED = ("video", "audio")


def add_track(film: Path, sound: Path, language: str) -> tuple[str, bytes]:
    """Return the media type and the bytes of the film with the sound as its last track, in MP4 if that can hold it.

    `language` is of three letters, as containers want it. Raises UnsupportedMedia, UnreadableMedia.
    """
    from av.error import FFmpegError

    if film.stat().st_size > MAX_FILM_BYTES:
        limit = f"{MAX_FILM_BYTES / 1e6:.0f} MB"
        raise UnsupportedMedia(f"The film has more than {limit}, so no track is added to it: use the sound file.")
    for media_type, form in _FORMATS.items():
        with suppress(FFmpegError, ValueError), open_container(film) as pictures, open_container(sound) as voice:
            return media_type, _copied(form, pictures, voice, language)
    raise UnsupportedMedia("No track can be added to a film of this kind: use the sound file.")


def _copied(form: str, film: "InputContainer", voice: "InputContainer", language: str) -> bytes:
    """Copy the packets of both into a file of a format. Raises FFmpegError, ValueError if it cannot hold them."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=form) as made:
        sources = [stream for stream in film.streams if stream.type in _COPIED]
        streams: dict[int, Any] = {stream.index: made.add_stream_from_template(stream) for stream in sources}
        added: Any = made.add_stream_from_template(voice.streams.audio[0])
        added.metadata["language"] = language
        spoken = voice.demux(voice.streams.audio[0])
        waiting = next(spoken, None)
        for packet in film.demux(sources):
            if packet.dts is None:
                continue
            now = float(packet.dts * packet.time_base)
            while waiting is not None and (waiting.dts is None or float(waiting.dts * waiting.time_base) <= now):
                _mux(made, added, waiting)
                waiting = next(spoken, None)
            _mux(made, streams[packet.stream_index], packet)
        while waiting is not None:
            _mux(made, added, waiting)
            waiting = next(spoken, None)
    return file.getvalue()


def _mux(made: Any, stream: Any, packet: Any) -> None:
    if packet.dts is not None:
        packet.stream = stream
        made.mux(packet)
