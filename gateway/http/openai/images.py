"""/v1/images: pictures from words, and from pictures and words, as OpenAI's clients ask for them."""

import base64
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from flows.running.content_forms import PictureOrder
from gateway.errors import WrongInput
from gateway.forms import filled
from gateway.http.access import Caller, Maker
from gateway.http.incoming_files import brought
from gateway.http.openai.names import model_named
from gateway.http.openai.picture_jobs import order_pictures, pictures_of
from gateway.http.openai.stream import as_events
from media.pictures import converted
from modalities.generation.diffusion import GeneratedImage
from modalities.generation.png_metadata import read_recipe
from storage.artifacts import Artifact

router = APIRouter(prefix="/v1/images", tags=["OpenAI"])
OutputFormat = Literal["png", "jpeg", "webp"]
_COUNT = Field(ge=1, le=10)
_NATIVE = frozenset({None, "", "auto"})
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


class Wishes(BaseModel):
    """What a request may say about pictures; of OpenAI's fields, those that no model here knows are passed over."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    n: Annotated[int, _COUNT] | None = None
    size: str | None = Field(default=None, max_length=20, examples=["auto"])
    response_format: Literal["url", "b64_json"] | None = None
    output_format: OutputFormat | None = None
    stream: bool | None = None
    style: str | None = Field(default=None, max_length=60, description="A style word that the model knows.")
    seed: int | None = Field(default=None, ge=0, lt=2**32, description="Ours: the same pictures again.")
    steps: int | None = Field(default=None, ge=1, le=150, description="Ours.")
    guidance: float | None = Field(default=None, ge=0, le=30, description="Ours.")
    negative_prompt: str | None = Field(default=None, max_length=1000, description="Ours: what to avoid.")


class GenerationRequest(Wishes):
    """Pictures from words."""

    prompt: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")


class EditForm(Wishes):
    """A picture, and what to make of it. `strength` (ours) says how much changes, from 0 to 1."""

    image: UploadFile
    mask: UploadFile | None = None
    prompt: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")
    strength: float = Field(default=0.6, ge=0, le=1)


class VariationForm(Wishes):
    """A picture to vary."""

    image: UploadFile
    strength: float = Field(default=0.6, ge=0, le=1)


class ImageOut(BaseModel):
    """One picture, as a link for 15 minutes or as base64."""

    url: str | None = None
    b64_json: str | None = None


class ImagesOut(BaseModel):
    """The pictures, in order."""

    created: int
    data: list[ImageOut]
    output_format: OutputFormat


@router.post("/generations", response_model=ImagesOut, responses=EVENTS)
async def generate(caller: Maker, wishes: GenerationRequest) -> Response:
    """Pictures from words. Without a seed, other pictures each time."""
    return await _answer(caller, wishes, "image_generation", _order(caller, wishes, wishes.prompt))


@router.post("/edits", response_model=ImagesOut, responses=EVENTS)
async def edit(caller: Maker, wishes: Annotated[EditForm, Form()]) -> Response:
    """Another picture that begins with this one. No model here can use a mask."""
    if wishes.mask is not None:
        raise WrongInput("The models here change a picture as a whole: leave the mask out.")
    name = wishes.image.filename or "image.png"
    start = await run_in_threadpool(brought, caller.space, wishes.image.file, name, "image")
    order = _order(caller, wishes, wishes.prompt, start_from=start.sha256, strength=wishes.strength)
    return await _answer(caller, wishes, "image_edit", order)


@router.post("/variations", response_model=ImagesOut)
async def vary(caller: Maker, wishes: Annotated[VariationForm, Form()]) -> Response:
    """Pictures like this one. What it shows is taken from the recipe in the file, or else from its name."""
    name = wishes.image.filename or "image.png"
    start = await run_in_threadpool(brought, caller.space, wishes.image.file, name, "image")
    prompt = await run_in_threadpool(_prompt_of, caller, start, name)
    order = _order(caller, wishes, prompt[:1000], start_from=start.sha256, strength=wishes.strength)
    return await _answer(caller, wishes, "image_edit", order)


def _order(caller: Caller, wishes: Wishes, prompt: str, **start: Any) -> PictureOrder:
    given: dict[str, Any] = {
        "style": wishes.style,
        "steps": wishes.steps,
        "guidance": wishes.guidance,
        "avoid": wishes.negative_prompt,
        "size": None if wishes.size in _NATIVE else wishes.size,
    }
    return filled(
        PictureOrder,
        prompt=prompt,
        count=wishes.n or 1,
        seed=secrets.randbelow(2**32) if wishes.seed is None else wishes.seed,
        model=model_named(caller.space, wishes.model, "generation"),
        project=caller.project,
        **start,
        **{name: value for name, value in given.items() if value is not None},
    )


async def _answer(caller: Caller, wishes: Wishes, event: str, order: PictureOrder) -> Response:
    job, requests = await order_pictures(caller, order)
    made = pictures_of(caller, job, requests)
    kind: OutputFormat = wishes.output_format or "png"
    if wishes.stream:

        async def events() -> AsyncIterator[dict[str, Any]]:
            async for _, picture in made:
                yield await run_in_threadpool(_event, caller, event, picture, kind)

        return EventSourceResponse(as_events(events()))
    pictures = [picture async for _, picture in made]
    if len(pictures) < len(requests):
        report = await caller.services.jobs.wait_for_result(caller.project, job.id)
        raise WrongInput(report["failures"][0] if report.get("failures") else "Some pictures could not be made.")
    out = [await run_in_threadpool(_image, caller, picture, wishes.response_format, kind) for picture in pictures]
    return JSONResponse(ImagesOut(created=int(time.time()), data=out, output_format=kind).model_dump(exclude_none=True))


def _image(caller: Caller, picture: GeneratedImage, answer: str | None, kind: OutputFormat) -> ImageOut:
    if answer == "b64_json" or kind != "png":
        return ImageOut(b64_json=_base64(caller, picture, kind))
    return ImageOut(url=caller.space.store.url(picture.image, f"picture-{picture.seed}.png"))


def _event(caller: Caller, event: str, picture: GeneratedImage, kind: OutputFormat) -> dict[str, Any]:
    return {
        "type": f"{event}.completed",
        "b64_json": _base64(caller, picture, kind),
        "created_at": int(time.time()),
        "size": f"{picture.width}x{picture.height}",
        "quality": "auto",
        "background": "opaque",
        "output_format": kind,
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        },
    }


def _base64(caller: Caller, picture: GeneratedImage, kind: OutputFormat) -> str:
    data = caller.space.store.get(picture.image)
    return base64.b64encode(data if kind == "png" else converted(data, kind)).decode()


def _prompt_of(caller: Caller, picture: Artifact, name: str) -> str:
    recipe = read_recipe(caller.space.store.get(picture))
    if recipe:
        return str(recipe["request"]["prompt"])
    return Path(name).stem.replace("-", " ").replace("_", " ").strip() or "picture"
