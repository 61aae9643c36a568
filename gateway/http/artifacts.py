"""Read an artifact's details, lineage, download URL and thumbnail; each function works in one project."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from flows.index.why import Why, explain
from flows.library.classification.asking import ClassificationOrder, classify
from flows.library.indexing import recognized_concepts
from flows.library.inputs import resolve_input
from flows.library.reading.contents import picture_at
from flows.library.reading.live_photos import LivePhoto, live_photo_of
from flows.library.thumbnails import remove_thumbnails, thumbnail_path
from flows.running.context import local_context
from flows.running.platform import Space
from gateway.errors import NotFound
from gateway.http.access import Caller
from gateway.http.downloads.byte_ranges import stream_artifact
from gateway.http.downloads.headers import attachment, immutable
from gateway.http.downloads.links import public_url
from media.errors import ItemError
from media.pictures import thumbnail
from modalities.classification.attribution import Explanation
from storage.errors import ArtifactNotFound
from storage.records import ArtifactRecord, Kind, kind_of

THUMBNAIL_SIDES = (128, 256, 512)
THUMBNAIL_TYPE = "image/jpeg"
ClassifierName = Annotated[str, Query(max_length=41, description="A published classifier of the project.")]
_MAX_GENERATIONS = 20


class Details(BaseModel):
    """An artifact's record, current labels, the recipe that made it, and a URL of its bytes, valid for 15 minutes.

    `concepts` are what a picture shows, as synsets of WordNet, with their probabilities. `live_photo` names the picture
    and the film of the live photo that it belongs to.
    """

    record: ArtifactRecord
    labels: list[str]
    recipe: dict[str, Any] | None
    concepts: dict[str, float]
    live_photo: LivePhoto | None
    url: str


class Relative(BaseModel):
    """An ancestor or descendant of an artifact; `generation` is the number of steps between them."""

    artifact: str
    name: str
    kind: Kind
    generation: int
    created: datetime


class Lineage(BaseModel):
    """The artifacts that an artifact was made from, and those made from it."""

    ancestors: list[Relative]
    descendants: list[Relative]


def read_details(request: Request, space: Space, identity: str) -> Details:
    """Read an artifact's record, labels and recipe. Raises ArtifactNotFound."""
    record = space.records.resolve(identity)
    recipe = space.recipes.find(record.producer) if record.producer else None
    return Details(
        record=record,
        labels=list(space.labels.of(record)),
        recipe=recipe.model_dump(mode="json") if recipe else None,
        concepts=recognized_concepts(space, record.artifact),
        live_photo=live_photo_of(space, record),
        url=public_url(request, space, record.artifact, record.name),
    )


def download(space: Space, identity: str, wanted: str) -> Response:
    """Stream the bytes, or the range `wanted`; unrecorded artifacts of running jobs have them too.

    Redirects to a presigned URL if the S3 server has a public address. Raises ArtifactNotFound.
    """
    found = resolve_input(space, identity)
    if space.platform.settings.s3_public_url:
        return RedirectResponse(space.store.url(found.artifact, found.name), headers={"Cache-Control": "no-store"})
    headers = attachment(found.name) | immutable()
    return stream_artifact(space, found.artifact, wanted, found.artifact.media_type, headers)


def thumbnail_file(space: Space, identity: str, side: int, seconds: float | None = None, place: str = "") -> Path:
    """Return a cached JPEG of at most side × side pixels, created at the first request. Raises NotFound.

    It shows the whole artifact, the frame of a film at a time, or what is at a place, such as `page=3`. The cached
    thumbnails of an artifact that was removed are deleted.
    """
    part = hashlib.sha256(f"{seconds} {place}".encode()).hexdigest()[:16] if seconds is not None or place else ""
    variant = f"{side}{part and '-'}{part}"
    if (path := thumbnail_path(space, identity, variant)).exists() and space.records.exists(identity):
        return path
    try:
        found = resolve_input(space, identity)
    except ArtifactNotFound:
        remove_thumbnails(space, identity)
        raise
    path = thumbnail_path(space, found.artifact.sha256, variant)
    if path.exists():
        return path
    try:
        picture = picture_at(space, found, seconds=seconds, place=place)
        if kind_of(picture.media_type) != "image":
            raise NotFound(f"{found.name} is no picture but {found.artifact.media_type}.")
        small = thumbnail(space.store.get(picture), side)
    except ItemError as error:
        raise NotFound(f"{found.name} cannot be shown: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid4()}")
    fresh.write_bytes(small)
    fresh.replace(path)
    return path


async def explain_picture(
    caller: Caller, identity: str, words: str, *, seconds: float | None, place: str, regions: bool = True
) -> Why:
    """Why a search for words finds a picture, a frame of a film or a page, by the model that stays loaded.

    Raises ArtifactNotFound, and NothingToDo for what is no picture.
    """
    found = await run_in_threadpool(resolve_input, caller.space, identity)
    embeddings = caller.services.query_embeddings
    return await explain(
        local_context(caller.space),
        found,
        words,
        embeddings.encode,
        embeddings.embedding_slots,
        seconds=seconds,
        place=place,
        regions=regions,
    )


async def explain_label(caller: Caller, identity: str, classifier: str) -> Explanation:
    """Which regions of a picture, or which words of a text, made the answer of a classifier.

    Raises ArtifactNotFound, ModelUnavailable, InvalidRequest.
    """
    record = await run_in_threadpool(caller.space.records.resolve, identity)
    order = ClassificationOrder(classifier=classifier, artifacts=[record.artifact.sha256], why=True)
    async with caller.services.query_embeddings.embedding_slots:
        report = await classify(local_context(caller.space), order)
    return report.why[0]


def read_lineage(space: Space, identity: str) -> Lineage:
    """Read all ancestors and descendants, up to 20 generations away. Raises ArtifactNotFound."""
    record = space.records.resolve(identity)
    return Lineage(ancestors=_ancestors(space, record), descendants=_descendants(space, record.artifact.sha256))


def _ancestors(space: Space, record: ArtifactRecord) -> list[Relative]:
    found: dict[str, Relative] = {}
    generation, wanted = 1, dict.fromkeys(record.parents)
    while wanted and generation <= _MAX_GENERATIONS:
        records = [known for sha256 in wanted if sha256 not in found and (known := space.records.find(sha256))]
        for each in records:
            found[each.artifact.sha256] = Relative(
                artifact=each.artifact.sha256,
                name=each.name,
                kind=each.kind,
                generation=generation,
                created=each.created,
            )
        wanted = dict.fromkeys(parent for each in records for parent in each.parents)
        generation += 1
    return list(found.values())


def _descendants(space: Space, artifact: str) -> list[Relative]:
    found: dict[str, Relative] = {}
    generation, wanted = 1, [artifact]
    while wanted and generation <= _MAX_GENERATIONS:
        entries = [entry for parent in wanted for entry in space.library.children(space.project, parent)]
        wanted = []
        for entry in entries:
            if entry.artifact not in found:
                fields = entry.model_dump(include={"artifact", "name", "kind", "created"})
                found[entry.artifact] = Relative(generation=generation, **fields)
                wanted.append(entry.artifact)
        generation += 1
    return list(found.values())
