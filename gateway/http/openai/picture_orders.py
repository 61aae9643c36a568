"""The fields of OpenAI's picture routes, and the order that they become."""

import re
import secrets
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.generate_images import size_notices
from flows.running.content_forms import PictureOrder
from flows.running.context import local_context
from gateway.errors import WrongInput
from gateway.forms import fill_form
from gateway.http.access import Caller
from gateway.http.openai.names import resolve_model

OutputFormat = Literal["png", "jpeg", "webp"]
_COUNT = Field(ge=1, le=10)
_NATIVE = frozenset({None, "", "auto"})
_SIZE = re.compile(r"([0-9]{2,4}) ?[x×*] ?([0-9]{2,4})", re.IGNORECASE)
_OPENAI_STYLES = frozenset({"vivid", "natural"})
_NO_NUL = r"^[^\x00]*$"
_LONGEST_PROMPT = 4000


class PictureOptions(BaseModel):
    """The fields of all three routes; fields of OpenAI's that no model here supports are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    n: Annotated[int, _COUNT] | None = None
    size: str | None = Field(default=None, max_length=20, examples=["auto"], description="The nearest one is made.")
    response_format: Literal["url", "b64_json"] | None = None
    output_format: OutputFormat | None = None
    output_compression: int | None = Field(default=None, ge=0, le=100, description="Quality of JPEG and WebP.")
    stream: bool | None = None
    partial_images: int | None = Field(default=None, ge=0, le=3, description="Previews of each picture in a stream.")
    quality: str | None = Field(default=None, max_length=60, description="Accepted, and without effect here.")
    style: str | None = Field(default=None, max_length=60, description="A style word that the model knows.")
    seed: int | None = Field(
        default=None, ge=-(2**63), lt=2**64, description="Ours: equal seeds give equal pictures; -1 is a random one."
    )
    steps: int | None = Field(default=None, ge=1, le=150, description="Ours.")
    guidance: float | None = Field(default=None, ge=0, le=30, description="Ours.")
    negative_prompt: str | None = Field(default=None, max_length=1000, description="Ours: what to avoid.")

    @field_validator(
        "n", "output_format", "response_format", "seed", "steps", "guidance", "stream", "partial_images", mode="before"
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value  # forms send empty fields


class GenerationRequest(PictureOptions):
    """The prompt of new pictures."""

    prompt: str = Field(min_length=1, max_length=_LONGEST_PROMPT, pattern=_NO_NUL)


class StartForm(PictureOptions):
    """A picture to start from. `strength` (ours) is how much changes, from 0 to 1."""

    image: list[UploadFile] = Field(default=[], max_length=16)
    images: list[UploadFile] = Field(default=[], alias="image[]", max_length=16)
    strength: float | None = Field(default=None, ge=0, le=1)

    def start(self) -> UploadFile:
        """Return the picture to start from: the first one. Raises WrongInput if there is none."""
        pictures = [*self.image, *self.images]
        if not pictures:
            raise WrongInput("There is no picture: send one in the field `image`.")
        return pictures[0]

    def count(self) -> int:
        """Return how many pictures were sent."""
        return len(self.image) + len(self.images)


class EditForm(StartForm):
    """A picture and a prompt for the edit; a mask is transparent where the picture may change."""

    mask: UploadFile | None = None
    prompt: str = Field(min_length=1, max_length=_LONGEST_PROMPT, pattern=_NO_NUL)


class VariationForm(StartForm):
    """A picture to vary."""


def picture_order(caller: Caller, options: PictureOptions, prompt: str, **start: Any) -> PictureOrder:
    """Return the order of a request; its seed is random unless one is given. Raises WrongInput, UnknownModel."""
    given: dict[str, Any] = {
        "style": None if options.style in _OPENAI_STYLES else options.style,
        "steps": options.steps,
        "guidance": options.guidance,
        "avoid": options.negative_prompt,
        "size": _size(options.size),
        "previews": options.partial_images if options.stream else None,
        **start,
    }
    return fill_form(
        PictureOrder,
        prompt=prompt,
        count=options.n or 1,
        seed=secrets.randbelow(2**32) if options.seed is None or options.seed < 0 else options.seed,
        model=resolve_model(caller.space, options.model, "generation"),
        project=caller.project,
        fit="nearest",
        **{name: value for name, value in given.items() if value is not None},
    )


def notices(caller: Caller, options: PictureOptions, order: PictureOrder) -> list[str]:
    """Return one sentence for each field that the pictures do not follow."""
    found = size_notices(local_context(caller.space), order)
    if options.style in _OPENAI_STYLES:
        found.append(f"The style {options.style} has no effect here.")
    if isinstance(options, StartForm) and options.count() > 1:
        found.append(f"The model starts from one picture: the first of {options.count()}.")
    return found


def _size(asked: str | None) -> str | None:
    """Return WIDTHxHEIGHT, or None for the model's own size. Raises WrongInput."""
    if asked in _NATIVE:
        return None
    found = _SIZE.fullmatch(str(asked).strip())
    if not found or min(int(side) for side in found.groups()) < 16 or max(int(side) for side in found.groups()) > 4096:
        raise WrongInput(f"size is not right: {asked!r} is no WIDTHxHEIGHT in pixels from 16 to 4096, such as 640x384.")
    return f"{int(found[1])}x{int(found[2])}"
