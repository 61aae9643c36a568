"""Identify recordings and films: with sound, with pictures, or with both."""

from pathlib import Path

from media.audio.sound import decoded_frames, measured_seconds, open_sound
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CONTENTS, Caps, MediaFacts, Property
from media.media_types import SOUND_TYPES
from media.reading.films import film_format, film_properties


def identify_recording(path: Path, name: str, caps: Caps, head: bytes) -> MediaFacts:
    """Return the facts of a recording or film, by decoding some of it. Raises UnsupportedMedia, UnreadableMedia."""
    film = film_properties(path)
    try:
        container, properties = _heard(path, caps)
    except UnreadableMedia:
        if not film:
            raise
        container, properties = film_format(path), dict[str, Property](has_sound=False)
    seconds = properties.setdefault("duration_seconds", film.get("film_seconds", 0.0))
    if float(seconds) > caps.sound_seconds:
        raise UnsupportedMedia(f"The recording is longer than {caps.sound_seconds / 3600:.0f} hours: cut it.")
    properties["has_video"] = bool(film)
    if film:
        properties |= {key: value for key, value in film.items() if key != "film_seconds"} | {CONTENTS: True}
    return MediaFacts(
        media_type=_media_type(container, bool(film), head), kind="speech", name=name, properties=properties
    )


def _heard(path: Path, caps: Caps) -> tuple[str, dict[str, Property]]:
    """Return the container's format, and the properties of the sound. Raises UnreadableMedia if there is none."""
    with open_sound(path) as (container, stream):
        if not any(True for _ in decoded_frames(container, stream)):
            raise UnreadableMedia("The recording has no sound in it.")
        form = container.format.name
        channels, rate, codec = stream.channels, stream.rate, stream.codec_context.name
    seconds = round(measured_seconds(path, caps.sound_seconds), 3)
    return form, {"duration_seconds": seconds, "channels": channels, "sample_rate": rate, "codec": codec}


def _media_type(form: str, is_film: bool, head: bytes) -> str:
    found = SOUND_TYPES[form.split(",")[0]][1 if is_film else 0]
    return found.replace("webm", "x-matroska") if found.endswith("/webm") and b"webm" not in head[:64] else found
