"""What is told about a file: its type and properties, and the limits within which files are accepted."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Property = int | float | str | bool
CONTENTS = "contents"
"""The property of files whose contents are read apart: what is shown, frames, passages, pictures inside."""


class Caps(BaseModel):
    """Upper limits of accepted files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(default=4_000_000_000, description="Size of any file: two hours of high-quality video.")
    image_pixels: int = Field(default=200_000_000, description="800 MB in memory as RGB, which Pillow pads to 4 bytes.")
    scaled_image_pixels: int = Field(
        default=400_000_000, description="Of JPEG files that are decoded at a lower scale: large panoramas."
    )
    image_side: int = Field(default=65_535, description="Pixels of the longer side: the most that JPEG can have.")
    image_frames: int = Field(default=2000, description="Frames of an animation or pages of a TIFF.")
    image_aspect: int = Field(default=50, description="Longer side divided by shorter side: a long screenshot has 20.")
    sound_seconds: float = Field(default=6 * 3600, description="A long day of meetings; an hour and a half of CPU.")
    text_bytes: int = Field(default=20_000_000, description="Twenty thick books.")
    document_bytes: int = Field(default=500_000_000, description="A book with many pictures.")
    unpacked_bytes: int = Field(default=500_000_000, description="Of an archive such as docx or epub, together.")
    document_pages: int = Field(default=3000, description="Pages, slides, sheets or chapters that are read.")


CAPS = Caps()


class MediaFacts(BaseModel):
    """The type and properties of a file. `name` is the claimed file name, sanitised; properties depend on the kind.

    image: width, height (as shown), animated; speech: duration_seconds, channels, sample_rate, codec, has_video;
    text: encoding, characters, lines; documents: pages and the like. `contents` is set where contents are read apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    media_type: str
    kind: Literal["image", "speech", "text"]
    name: str
    properties: dict[str, Property]
