"""Generate pictures from a prompt."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, ValidationError

from flows.library.file_names import file_name
from flows.library.indexing import index_artifacts
from flows.library.inputs import resolve_input
from flows.library.markdown import pictures_page
from flows.library.reading.contents import shown_picture
from flows.running.content_forms import PictureOrder
from flows.running.context import RunContext
from flows.running.prefect_context import run_as_flow
from media.errors import ItemError
from modalities.errors import InvalidRequest
from modalities.generation.requests import GeneratedImage, GenerateImage, defaults_for
from modalities.generation.sizes import nearest_size
from storage.artifacts import Artifact
from storage.records import ArtifactRecord


class PictureReport(BaseModel):
    """One generated picture. Its seed reproduces it."""

    artifact: str
    seed: int
    sha256: str
    name: str


class PicturesReport(BaseModel):
    """The pictures in the order of their seeds, and why pictures are missing."""

    images: list[PictureReport]
    failures: list[str]
    notices: list[str] = []

    def __str__(self) -> str:
        return f"{len(self.images)} pictures." + (f" {self.failures[0]}" if self.failures else "")


@flow(name="generate-images")
async def generate_images(order: PictureOrder) -> State[Any]:
    """Make pictures from words; the same order is never computed twice."""
    return await run_as_flow(order.project, lambda context: generate_pictures(context, order))


async def generate_pictures(context: RunContext, order: PictureOrder) -> PicturesReport:
    """Request each picture by itself, record the pictures, and index them."""
    requests = await asyncio.to_thread(generation_requests, context, order)
    answers = await context.answers(requests)
    failures = [str(answer) for answer in answers if isinstance(answer, ItemError)]
    if failures and len(failures) == len(answers):
        raise next(answer for answer in answers if isinstance(answer, ItemError))
    made = [
        (request, answer)
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, GeneratedImage)
    ]
    records = [await asyncio.to_thread(_record, context, request, picture) for request, picture in made]
    page = await asyncio.to_thread(pictures_page, context.space, order.prompt, records)
    await asyncio.gather(context.show("pictures", page), index_artifacts(context, records))
    images = [
        PictureReport(artifact=picture.image.sha256, seed=picture.seed, sha256=picture.image.sha256, name=record.name)
        for (_, picture), record in zip(made, records, strict=True)
    ]
    return PicturesReport(images=images, failures=failures, notices=size_notices(context, order))


def generation_requests(context: RunContext, order: PictureOrder) -> list[GenerateImage]:
    """Build one request per picture: picture i of seed s has seed s + i, whatever the count."""
    model = order.model or context.space.profile.generation
    defaults = defaults_for(context.space.catalogue.spec(model))
    width, height = _size(order, (defaults.width, defaults.height))
    settings: dict[str, Any] = {
        "model": model,
        "prompt": f"{order.style} {order.prompt}".strip(),
        "negative_prompt": order.avoid,
        "steps": order.steps or defaults.steps,
        "guidance": defaults.guidance if order.guidance < 0 else order.guidance,
        "width": width,
        "height": height,
        "scheduler": order.scheduler,
        "init_image": _stored_picture(context, order.start_from),
        "mask": _stored_picture(context, order.mask),
        "strength": order.strength if order.start_from else 1.0,
        "previews": order.previews,
    }
    try:
        return [GenerateImage(**settings, seed=_seed(order.seed, number)) for number in range(order.count)]
    except ValidationError as error:
        raise InvalidRequest(f"The order cannot be met: {error.errors()[0]['msg']}.") from error


def size_notices(context: RunContext, order: PictureOrder) -> list[str]:
    """Return a sentence if the pictures have another size than the order names."""
    model = order.model or context.space.profile.generation
    defaults = defaults_for(context.space.catalogue.spec(model))
    width, height = _size(order, (defaults.width, defaults.height))
    if order.size in ("native", f"{width}x{height}"):
        return []
    return [f"The model {model} makes no good pictures of {order.size}: these have {width}x{height}, the nearest size."]


def _size(order: PictureOrder, native: tuple[int, int]) -> tuple[int, int]:
    if order.size == "native":
        return native
    width, height = (int(side) for side in order.size.split("x"))
    return nearest_size(width, height, native) if order.fit == "nearest" else (width, height)


def _seed(first: int, number: int) -> int:
    """Return the seed of a picture; 32-bit seeds wrap at 32 bits, as they did when there were no larger ones."""
    return (first + number) % (2**32 if first < 2**32 else 2**64)


def _stored_picture(context: RunContext, prefix: str) -> Artifact | None:
    return shown_picture(context.space, resolve_input(context.space, prefix)) if prefix else None


def _record(context: RunContext, request: GenerateImage, made: GeneratedImage) -> ArtifactRecord:
    words = file_name("-".join(request.prompt.split())[:60], "picture")
    record, _ = context.space.records.add(
        ArtifactRecord(
            artifact=made.image,
            project=context.space.project,
            name=f"{words}-{request.seed}.png",
            parents=tuple(artifact.sha256 for artifact in request.artifacts()),
            producer=context.space.answers.recipe(request).key,
            labels=("generated",),
            properties={"prompt": request.prompt, "seed": request.seed},
        )
    )
    return record
