"""Identify the type of an untrusted file: its signature, magika and a full decode must agree.

Nothing in the file is executed, rendered or fetched, and nothing is decoded beyond the caps.
"""

import mimetypes
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from media.documents.identify import identify_document
from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CAPS, Caps, MediaFacts, Property
from media.images.formats import identify_picture, register_formats
from media.media_types import SIGNATURES, TEXT_TYPES
from media.plain_text import decode_text, read_text, refusal, refuse_active
from media.reading.recordings import identify_recording

if TYPE_CHECKING:
    from magika import Magika
    from magika.types import ContentTypeInfo

__all__ = ["CAPS", "Caps", "MediaFacts", "identify", "read_text", "safe_name"]

_HEADER_BYTES = 4096
_MIN_SCORE, _MIN_TEXT_SCORE = 0.5, 0.8
"""The score from which magika's label counts, for pictures and for texts."""
_TAKEN = "Triptych takes pictures, recordings, films, documents and plain text."
_JOINERS = "\u200c\u200d"  # Persian names and emoji need them
_UNSAFE_IN_NAMES = re.compile(r"[/\\:]+")


def identify(path: Path, name: str, caps: Caps = CAPS) -> MediaFacts:
    """Return the type and properties of a file, from its content only.

    Raises UnsupportedMedia for a type that is not accepted or a file beyond a cap, UnreadableMedia for a broken file.
    """
    size = path.stat().st_size
    if size == 0:
        raise UnreadableMedia("The file is empty.")
    if size > caps.bytes:
        raise UnsupportedMedia(f"The file has {size / 1e9:.1f} GB, and the limit is {caps.bytes / 1e9:.0f} GB.")
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if document := identify_document(path, safe_name(name), head, caps):
        return document
    guess, score = _magika_label(path)
    family = next((family for pattern, family in SIGNATURES if re.match(pattern, head, re.DOTALL)), None)
    if family is None and not _looks_like_text(head):
        family = "speech" if guess.group in ("audio", "video") else "refused"
    if family == "refused":
        raise UnsupportedMedia(f"The file is {_describe(guess, score)}: {_TAKEN}")
    if family == "image":
        return identify_picture(path, safe_name(name), caps, guess.label if score >= _MIN_SCORE else None)
    if family == "speech":
        return identify_recording(path, safe_name(name), caps, head)
    return _text(path, safe_name(name), caps, guess.label if score >= _MIN_TEXT_SCORE else None)


def load_libraries() -> None:
    """Load all libraries and models that `identify` uses, so that the first file is as fast as the second."""
    import av

    mimetypes.init([])  # openpyxl asks it, and the sandbox reads no files of /etc
    register_formats()
    assert av.formats_available
    _magika().identify_bytes(b"a text")
    decode_text(b"a text")


def safe_name(name: str) -> str:
    """Sanitise a file name: without path, control and direction characters, at most 200 characters."""
    kept = "".join(
        c for c in unicodedata.normalize("NFC", name[:4096]) if c in _JOINERS or unicodedata.category(c)[0] != "C"
    )
    kept = " ".join(_UNSAFE_IN_NAMES.split(kept)[-1].split()).strip(". ")
    return kept[-200:] or "unnamed"


def _text(path: Path, name: str, caps: Caps, label: str | None) -> MediaFacts:
    if path.stat().st_size > caps.text_bytes:
        raise UnsupportedMedia(f"The text has more than {caps.text_bytes / 1e6:.0f} MB: split it.")
    text, encoding = decode_text(path.read_bytes())
    refuse_active(text)
    if label in ("html", "svg", "php"):
        raise UnsupportedMedia(refusal("HTML" if label == "html" else label.upper()))
    if not text.strip():
        raise UnreadableMedia("The text has no letters in it.")
    properties: dict[str, Property] = {"encoding": encoding, "characters": len(text), "lines": len(text.splitlines())}
    media_type = TEXT_TYPES.get(Path(name).suffix.lower(), "text/plain")
    return MediaFacts(media_type=media_type, kind="text", name=name, properties=properties)


def _looks_like_text(head: bytes) -> bool:
    return head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\x00\x00\xfe\xff" or b"\x00" not in head


def _describe(guess: "ContentTypeInfo", score: float) -> str:
    is_known = score >= _MIN_TEXT_SCORE and guess.label not in ("unknown", "txt")
    return f"of the type {guess.description or guess.label}" if is_known else "of no known type"


def _magika_label(path: Path) -> "tuple[ContentTypeInfo, float]":
    result = _magika().identify_path(path)
    return result.output, result.score


@cache
def _magika() -> "Magika":
    from magika import Magika

    return Magika()
