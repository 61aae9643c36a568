"""/v1/images: generate, edit and vary pictures."""

import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from flows.library.inputs import resolve_input
from flows.library.reading.contents import shown_picture
from flows.running.content_forms import PictureOrder
from gateway.http.access import Caller, Maker
from gateway.http.downloads.links import public_url
from gateway.http.openai.job_answers import follow_answers, in_order
from gateway.http.openai.names import is_answered_in_base64
from gateway.http.openai.picture_jobs import start_picture_job
from gateway.http.openai.picture_orders import (
    EditForm,
    GenerationRequest,
    OutputFormat,
    PictureOptions,
    StartForm,
    VariationForm,
    notices,
    picture_order,
)
from gateway.http.openai.picture_previews import Preview, follow_pictures
from gateway.http.openai.stream import sse_events
from gateway.http.uploads.incoming_files import store_query_file
from media.pictures import convert, has_hole
from modalities.generation.picture_metadata import exif_of, read_prompt
from modalities.generation.requests import GeneratedImage
from storage.artifacts import Artifact

router = APIRouter(prefix="/v1/images", tags=["OpenAI"])
NOTICE = "X-Triptych-Notice"
"""The header with one sentence for each field that the pictures do not follow."""
_DEFAULT_STRENGTH = 0.6
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


class ImageOut(BaseModel):
    """One picture, as a URL that is valid for 15 minutes or as base64."""

    url: str | None = None
    b64_json: str | None = None


class ImagesOut(BaseModel):
    """The pictures, in the order of their seeds; `size` is that of the pictures."""

    created: int
    data: list[ImageOut]
    output_format: OutputFormat
    size: str


@dataclass(frozen=True)
class _Asked:
    """A request for pictures, and the name of its events."""

    request: Request
    caller: Caller
    options: PictureOptions
    event: str

    @property
    def kind(self) -> OutputFormat:
        return self.options.output_format or "png"

    @property
    def is_base64(self) -> bool:
        """Whether the answer contains the pictures, and not their URLs."""
        by_default = self.options.response_format is None and is_answered_in_base64(self.options.model)
        return by_default or self.options.response_format == "b64_json" or self.kind != "png"


@router.post("/generations", response_model=ImagesOut, responses=_EVENTS)
async def generate(request: Request, caller: Maker, options: GenerationRequest) -> Response:
    """Generate pictures from a prompt. Without a seed they differ each time."""
    order = picture_order(caller, options, options.prompt)
    return await _run(_Asked(request, caller, options, "image_generation"), order)


@router.post("/edits", response_model=ImagesOut, responses=_EVENTS)
async def edit(request: Request, caller: Maker, options: Annotated[EditForm, Form()]) -> Response:
    """Edit a picture by a prompt: where the mask is transparent, or else the picture itself; or everywhere."""
    start, name = await _start(caller, options)
    mask = await run_in_threadpool(_mask, caller, options, start)
    fields = {"start_from": start.sha256, "mask": mask.sha256 if mask else None}
    strength = options.strength if options.strength is not None else 1.0 if mask else _DEFAULT_STRENGTH
    order = picture_order(caller, options, options.prompt or name, strength=strength, **fields)
    return await _run(_Asked(request, caller, options, "image_edit"), order)


@router.post("/variations", response_model=ImagesOut)
async def vary(request: Request, caller: Maker, options: Annotated[VariationForm, Form()]) -> Response:
    """Generate variations of a picture. The prompt is that of its generation metadata, or else its file name."""
    start, name = await _start(caller, options)
    prompt = await run_in_threadpool(_read_prompt, caller, start, name)
    strength = _DEFAULT_STRENGTH if options.strength is None else options.strength
    order = picture_order(caller, options, prompt[:4000], start_from=start.sha256, strength=strength)
    return await _run(_Asked(request, caller, options, "image_edit"), order)


async def _start(caller: Caller, options: StartForm) -> tuple[Artifact, str]:
    """Store the picture to start from; return it and its name. Raises ItemError, WrongInput."""
    upload = options.start()
    name = upload.filename or "image.png"
    return await run_in_threadpool(store_query_file, caller.space, upload.file, name, "image"), name


def _mask(caller: Caller, options: EditForm, start: Artifact) -> Artifact | None:
    """Store the mask, or take the start picture for it if it is transparent somewhere."""
    if options.mask is not None:
        return store_query_file(caller.space, options.mask.file, options.mask.filename or "mask.png", "image")
    shown = shown_picture(caller.space, resolve_input(caller.space, start.sha256))
    return start if has_hole(caller.space.store.get(shown)) else None


async def _run(asked: _Asked, order: PictureOrder) -> Response:
    caller = asked.caller
    headers = _headers(await run_in_threadpool(notices, caller, asked.options, order))
    job, requests = await start_picture_job(caller, order)
    if asked.options.stream:

        async def events() -> AsyncIterator[dict[str, Any]]:
            async with aclosing(follow_pictures(caller, job, requests)) as found:
                async for picture in found:
                    yield await run_in_threadpool(_event, asked, picture)

        return EventSourceResponse(sse_events(events()), headers=headers)
    pictures = [picture async for picture in in_order(follow_answers(caller, job, requests))]
    out = ImagesOut(
        created=int(time.time()),
        data=[await run_in_threadpool(_image, asked, picture) for picture in pictures],
        output_format=asked.kind,
        size=f"{pictures[0].width}x{pictures[0].height}",
    )
    return JSONResponse(out.model_dump(exclude_none=True), headers=headers)


def _headers(sentences: Sequence[str]) -> dict[str, str]:
    text = " ".join(sentences).encode("ascii", "replace").decode()
    return {NOTICE: text} if text else {}


def _image(asked: _Asked, picture: GeneratedImage) -> ImageOut:
    if asked.is_base64:
        return ImageOut(b64_json=_base64(asked, picture))
    name = f"picture-{picture.seed}.png"
    return ImageOut(url=public_url(asked.request, asked.caller.space, picture.image, name))


def _event(asked: _Asked, picture: GeneratedImage | Preview) -> dict[str, Any]:
    if isinstance(picture, Preview):
        encoded = base64.b64encode(_converted(asked, picture.png)).decode()
        told = {"type": f"{asked.event}.partial_image", "b64_json": encoded, "partial_image_index": picture.index}
        return told | _details(asked, picture)
    return {
        "type": f"{asked.event}.completed",
        "b64_json": _base64(asked, picture),
        **_details(asked, picture),
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        },
    }


def _details(asked: _Asked, picture: GeneratedImage | Preview) -> dict[str, Any]:
    return {
        "created_at": int(time.time()),
        "size": f"{picture.width}x{picture.height}",
        "quality": "auto",
        "background": "opaque",
        "output_format": asked.kind,
    }


def _base64(asked: _Asked, picture: GeneratedImage) -> str:
    return base64.b64encode(_converted(asked, asked.caller.space.store.get(picture.image))).decode()


def _converted(asked: _Asked, png: bytes) -> bytes:
    if asked.kind == "png":
        return png
    return convert(png, asked.kind, asked.options.output_compression or 95, exif_of(png))


def _read_prompt(caller: Caller, picture: Artifact, name: str) -> str:
    prompt = read_prompt(caller.space.store.get(picture))
    return prompt or Path(name).stem.replace("-", " ").replace("_", " ").strip() or "picture"
