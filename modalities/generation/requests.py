"""Requests and results of generation: a picture from a prompt, or from another picture and a prompt."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modalities.contract import ModelSpec, Request, Result
from modalities.errors import InvalidCatalogue
from storage.artifacts import Artifact

Scheduler = Literal["default", "ddim", "euler", "euler-ancestral", "dpm++"]
_MAX_PIXELS = 2048 * 2048
MOST_PREVIEWS = 3
_NO_NUL = r"^[^\x00]*$"


class GeneratedImage(Result):
    """A picture with generation metadata in it (see read_generation_metadata); `width` and `height` in pixels."""

    image: Artifact = Field(description="image/png")
    seed: int
    width: int
    height: int


class GenerateImage(Request[GeneratedImage]):
    """Generate one picture from a prompt."""

    added_fields: ClassVar[frozenset[str]] = frozenset({"mask"})
    hints: ClassVar[frozenset[str]] = frozenset({"previews"})

    prompt: str = Field(min_length=1, max_length=4000, pattern=_NO_NUL)
    negative_prompt: str = Field(
        default="", max_length=4000, pattern=_NO_NUL, description="What the picture should not show."
    )
    seed: int = Field(ge=0, lt=2**64, description="Seed of the noise: another seed gives another picture.")
    steps: int = Field(
        ge=1,
        le=150,
        description="Denoising steps from pure noise; with init_image, the fraction `strength` of them runs.",
    )
    guidance: float = Field(
        ge=0, le=30, description="Classifier-free guidance scale: how closely to follow the prompt; 1 is no guidance."
    )
    width: int = Field(ge=16, le=4096, multiple_of=8, description="In pixels.")
    height: int = Field(ge=16, le=4096, multiple_of=8, description="In pixels.")
    scheduler: Scheduler = Field(default="default", description="default: the model's own.")
    init_image: Artifact | None = Field(default=None, description="The picture to start from, cropped to the middle.")
    strength: float = Field(default=1.0, ge=0, le=1, description="0 keeps init_image, 1 ignores it.")
    mask: Artifact | None = Field(
        default=None, description="A picture that is transparent where init_image may change; None: everywhere."
    )

    previews: int = Field(default=0, ge=0, le=MOST_PREVIEWS, description="Unfinished pictures shown meanwhile.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width * self.height > _MAX_PIXELS:
            raise ValueError(f"{self.width} × {self.height} is more than {_MAX_PIXELS} pixels: ask for fewer")
        if self.init_image is None and self.mask is not None:
            raise ValueError("a mask says which part of init_image changes: give init_image, or leave the mask out")
        if self.init_image is None and self.strength != 1.0:
            raise ValueError("strength says how much init_image changes: give init_image, or leave strength at 1")
        return self


class DiffusionOptions(BaseModel):
    """The `options` of a diffusion model in the catalogue: the defaults of its requests, and how to load and run it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=512, ge=16, multiple_of=8)
    height: int = Field(default=512, ge=16, multiple_of=8)
    steps: int = Field(default=30, ge=1, le=150)
    guidance: float = Field(default=7.0, ge=0, le=30)
    variant: str | None = Field(default=None, description="File variant, such as fp16 for model.fp16.safetensors.")
    batch: int = Field(default=1, ge=1, description="Pictures sampled together on a GPU.")


def defaults_for(spec: ModelSpec) -> DiffusionOptions:
    """Return the options of a model, with the size, steps and guidance that it was trained for.

    Raises InvalidCatalogue.
    """
    try:
        return DiffusionOptions.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidCatalogue(
            f"The model {spec.name} is not one for pictures, or its options are wrong: "
            f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
        ) from error
