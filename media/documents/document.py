"""Collect what a document holds while it is read, within limits."""

import io
import re
from dataclasses import dataclass, field

from media.facts import Caps
from media.images.errors import picture_errors
from media.reading.contents import Blobs, Extract, Passages, Rendering

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_BLANK_LINES = re.compile(r"\n[ \t\u00a0]*(?:\n[ \t\u00a0]*)+")
_MAX_CHARACTERS = 50_000_000
_MIN_SIDE = 64
"""Pictures with a shorter side are ornaments: bullets, lines, icons."""
_PICTURE_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_OTHER_FORMATS = {"BMP": "image/bmp", "TIFF": "image/tiff"}


@dataclass
class Document:
    """The passages and pictures of a document that is being read."""

    caps: Caps
    blobs: Blobs
    passages: list[Passages] = field(default_factory=list)
    pictures: list[Rendering] = field(default_factory=list)
    frames: list[Rendering] = field(default_factory=list)
    shown: Rendering | None = None
    cut: str = ""
    _characters: int = 0

    def add_text(self, place: str, text: str) -> None:
        """Keep the text at a place; one that has nothing but blanks is left out."""
        text = cleaned(text)
        left = _MAX_CHARACTERS - self._characters
        if len(text) > left:
            text, self.cut = text[:left], f"The first {_MAX_CHARACTERS / 1e6:.0f} million characters are found."
        if text:
            self._characters += len(text)
            self.passages.append(Passages(place=place[:200], text=text))

    def add_picture(self, data: bytes, place: str = "", name: str = "") -> None:
        """Keep a picture inside, unless it is an ornament, there already, or of a type that is not taken."""
        media_type = picture_type(data)
        if not media_type or self.blobs.full:
            return
        number = self.blobs.add(data)
        if number not in {picture.blob for picture in self.pictures}:
            self.pictures.append(Rendering(blob=number, media_type=media_type, place=place[:200], name=name[:200]))

    def too_long(self, number: int, what: str) -> bool:
        """Whether a page, slide, sheet or chapter of this number (from 1) is past the limit; notes that it is."""
        if number > self.caps.document_pages:
            self.cut = f"The first {self.caps.document_pages} {what} are found."
        return number > self.caps.document_pages

    def extract(self) -> Extract:
        return Extract(
            shown=self.shown,
            frames=tuple(self.frames),
            passages=tuple(self.passages),
            pictures=tuple(self.pictures),
            cut=self.cut,
        )


def cleaned(text: str) -> str:
    """Return a text without control characters and surrogates, with at most one blank line at a time."""
    whole = text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    return _BLANK_LINES.sub("\n\n", _CONTROL.sub("", whole)).strip()


def picture_type(data: bytes) -> str:
    """Return the media type of a picture; empty for one with a side below 64 pixels, and for other formats."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[*_PICTURE_FORMATS, *_OTHER_FORMATS]) as image:
            if min(image.size) < _MIN_SIDE:
                return ""
            return (_PICTURE_FORMATS | _OTHER_FORMATS).get(image.format or "", "image/jpeg")
    except picture_errors():
        return ""
