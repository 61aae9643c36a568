"""/v1/images: generate, edit and vary pictures."""

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
from gateway.forms import fill_form
from gateway.http.access import Caller, Maker
from gateway.http.incoming_files import store_query_file
from gateway.http.openai.names import resolve_model
from gateway.http.openai.picture_jobs import follow_pictures, start_picture_job
from gateway.http.openai.stream import sse_events
from media.pictures import convert
from modalities.generation.png_metadata import read_generation_metadata
from modalities.generation.requests import GeneratedImage
from storage.artifacts import Artifact

router = APIRouter(prefix="/v1/images", tags=["OpenAI"])
OutputFormat = Literal["png", "jpeg", "webp"]
_COUNT = Field(ge=1, le=10)
_NATIVE = frozenset({None, "", "auto"})
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


class PictureOptions(BaseModel):
    """The fields of all three routes; fields of OpenAI's that no model here supports are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    n: Annotated[int, _COUNT] | None = None
    size: str | None = Field(default=None, max_length=20, examples=["auto"])
    response_format: Literal["url", "b64_json"] | None = None
    output_format: OutputFormat | None = None
    stream: bool | None = None
    style: str | None = Field(default=None, max_length=60, description="A style word that the model knows.")
    seed: int | None = Field(default=None, ge=0, lt=2**32, description="Ours: equal seeds give equal pictures.")
    steps: int | None = Field(default=None, ge=1, le=150, description="Ours.")
    guidance: float | None = Field(default=None, ge=0, le=30, description="Ours.")
    negative_prompt: str | None = Field(default=None, max_length=1000, description="Ours: what to avoid.")


class GenerationRequest(PictureOptions):
    """The prompt of new pictures."""

    prompt: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")


class EditForm(PictureOptions):
    """A picture and a prompt for the edit. `strength` (ours) is how much changes, from 0 to 1."""

    image: UploadFile
    mask: UploadFile | None = None
    prompt: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")
    strength: float = Field(default=0.6, ge=0, le=1)


class VariationForm(PictureOptions):
    """A picture to vary."""

    image: UploadFile
    strength: float = Field(default=0.6, ge=0, le=1)


class ImageOut(BaseModel):
    """One picture, as a URL that is valid for 15 minutes or as base64."""

    url: str | None = None
    b64_json: str | None = None


class ImagesOut(BaseModel):
    """The pictures, in the order of their seeds."""

    created: int
    data: list[ImageOut]
    output_format: OutputFormat


@router.post("/generations", response_model=ImagesOut, responses=_EVENTS)
async def generate(caller: Maker, options: GenerationRequest) -> Response:
    """Generate pictures from a prompt. Without a seed they differ each time."""
    return await _run(caller, options, "image_generation", _order(caller, options, options.prompt))


@router.post("/edits", response_model=ImagesOut, responses=_EVENTS)
async def edit(caller: Maker, options: Annotated[EditForm, Form()]) -> Response:
    """Edit a picture by a prompt. No model here supports a mask."""
    if options.mask is not None:
        raise WrongInput("The models here change a picture as a whole: leave the mask out.")
    name = options.image.filename or "image.png"
    start = await run_in_threadpool(store_query_file, caller.space, options.image.file, name, "image")
    order = _order(caller, options, options.prompt, start_from=start.sha256, strength=options.strength)
    return await _run(caller, options, "image_edit", order)


@router.post("/variations", response_model=ImagesOut)
async def vary(caller: Maker, options: Annotated[VariationForm, Form()]) -> Response:
    """Generate variations of a picture. The prompt is that of its generation metadata, or else its file name."""
    name = options.image.filename or "image.png"
    start = await run_in_threadpool(store_query_file, caller.space, options.image.file, name, "image")
    prompt = await run_in_threadpool(_read_prompt, caller, start, name)
    order = _order(caller, options, prompt[:1000], start_from=start.sha256, strength=options.strength)
    return await _run(caller, options, "image_edit", order)


def _order(caller: Caller, options: PictureOptions, prompt: str, **start: Any) -> PictureOrder:
    given: dict[str, Any] = {
        "style": options.style,
        "steps": options.steps,
        "guidance": options.guidance,
        "avoid": options.negative_prompt,
        "size": None if options.size in _NATIVE else options.size,
    }
    return fill_form(
        PictureOrder,
        prompt=prompt,
        count=options.n or 1,
        seed=secrets.randbelow(2**32) if options.seed is None else options.seed,
        model=resolve_model(caller.space, options.model, "generation"),
        project=caller.project,
        **start,
        **{name: value for name, value in given.items() if value is not None},
    )


async def _run(caller: Caller, options: PictureOptions, event: str, order: PictureOrder) -> Response:
    job, requests = await start_picture_job(caller, order)
    found = follow_pictures(caller, job, requests)
    kind: OutputFormat = options.output_format or "png"
    if options.stream:

        async def events() -> AsyncIterator[dict[str, Any]]:
            async for _, picture in found:
                yield await run_in_threadpool(_event, caller, event, picture, kind)

        return EventSourceResponse(sse_events(events()))
    pictures = [picture async for _, picture in found]
    if len(pictures) < len(requests):
        report = await caller.services.jobs.wait_for_result(caller.project, job.id)
        raise WrongInput(report["failures"][0] if report.get("failures") else "Some pictures could not be made.")
    out = [await run_in_threadpool(_image, caller, picture, options.response_format, kind) for picture in pictures]
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
    return base64.b64encode(data if kind == "png" else convert(data, kind)).decode()


def _read_prompt(caller: Caller, picture: Artifact, name: str) -> str:
    recipe = read_generation_metadata(caller.space.store.get(picture))
    if recipe:
        return str(recipe["request"]["prompt"])
    return Path(name).stem.replace("-", " ").replace("_", " ").strip() or "picture"
