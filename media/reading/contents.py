"""What is in a file, as the sandbox reads it: a copy to show, frames, passages with their place, pictures inside.

A place is a fragment of the file's address, as browsers and players understand them: `page=3`, `slide=2`,
`sheet=Prices`, `chapter=4`, `t=12.5` (seconds), `frame=7`.
"""

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

MAX_PICTURES = 500
"""Pictures and frames that are read out of one file."""
SHOWN_SIDE = 4096
"""Pixels of the longer side of the copy of a picture."""


class Rendering(BaseModel):
    """A picture that the sandbox made or found; `blob` is the number of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blob: int
    media_type: str = "image/jpeg"
    place: str = ""
    name: str = ""


class Passages(BaseModel):
    """The text at one place of a document: a page, a slide, a sheet, a chapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    text: str


class Extract(BaseModel):
    """What is in a file. `shown` stands for the whole of it: a picture, the poster of a film, the first page.

    `motion` is the film inside a motion photo. `cut` is a sentence about what was left out, if anything was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shown: Rendering | None = None
    frames: tuple[Rendering, ...] = ()
    passages: tuple[Passages, ...] = ()
    pictures: tuple[Rendering, ...] = ()
    motion: Rendering | None = None
    cut: str = ""

    def renderings(self) -> tuple[Rendering, ...]:
        """Every picture and film: the one to show, frames, and those inside."""
        single = [each for each in (self.shown, self.motion) if each]
        return (*single, *self.frames, *self.pictures)


@dataclass
class Blobs:
    """The bytes of pictures, collected while a file is read; equal bytes are kept once."""

    kept: list[bytes] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def add(self, data: bytes) -> int:
        """Keep bytes; return their number."""
        number = self._numbers.setdefault(data, len(self.kept))
        if number == len(self.kept):
            self.kept.append(data)
        return number

    @property
    def full(self) -> bool:
        return len(self.kept) >= MAX_PICTURES
