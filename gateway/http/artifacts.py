"""What the library's pages and routes ask about artifacts; each function works in one project."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from flows.library.inputs import resolve_input
from flows.running.platform import Space
from gateway.errors import NotThere
from media.errors import UnreadableMedia
from media.pictures import thumbnail
from storage.records import ArtifactRecord, Kind

THUMBNAIL_SIDES = (128, 256, 512)
THUMBNAIL_TYPE = "image/jpeg"
_GENERATIONS = 20


class Details(BaseModel):
    """The record of an artifact, its labels now, the recipe that made it, and a link to its bytes for 15 minutes."""

    record: ArtifactRecord
    labels: list[str]
    recipe: dict[str, Any] | None
    url: str


class Relative(BaseModel):
    """An artifact that another descends from, or that descends from it; `generation` counts the steps between."""

    artifact: str
    name: str
    kind: Kind
    generation: int
    created: datetime


class Lineage(BaseModel):
    """What an artifact was made from, and what was made from it."""

    ancestors: list[Relative]
    descendants: list[Relative]


def details(space: Space, identity: str) -> Details:
    """Everything that is known of an artifact. Raises ArtifactNotFound."""
    record = space.records.resolve(identity)
    recipe = space.recipes.find(record.producer) if record.producer else None
    return Details(
        record=record,
        labels=list(space.labels.of(record)),
        recipe=recipe.model_dump(mode="json") if recipe else None,
        url=space.store.url(record.artifact, record.name),
    )


def link(space: Space, identity: str) -> str:
    """Where the bytes are, for 15 minutes; also those that a running job has just made. Raises ArtifactNotFound."""
    found = resolve_input(space, identity)
    return space.store.url(found.artifact, found.name)


def small_picture(space: Space, identity: str, side: int) -> Path:
    """A file with a JPEG that fits into side × side pixels, made at the first time. Raises NotThere."""
    folder = space.platform.settings.cache_dir / "thumbnails" / space.project
    path = folder / f"{identity}-{side}.jpg"
    if path.exists():
        return path
    found = resolve_input(space, identity)
    if found.kind != "image":
        raise NotThere(f"{found.name} is no picture but {found.artifact.media_type}.")
    try:
        small = thumbnail(space.store.get(found.artifact), side)
    except UnreadableMedia as error:
        raise NotThere(f"{found.name} cannot be shown: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid4()}")
    fresh.write_bytes(small)
    fresh.replace(path)
    return path


def lineage(space: Space, identity: str) -> Lineage:
    """Up to the files that people brought, and down to what was made last. Raises ArtifactNotFound."""
    record = space.records.resolve(identity)
    return Lineage(ancestors=_ancestors(space, record), descendants=_descendants(space, record.artifact.sha256))


def _ancestors(space: Space, record: ArtifactRecord) -> list[Relative]:
    found: dict[str, Relative] = {}
    generation, wanted = 1, dict.fromkeys(record.parents)
    while wanted and generation <= _GENERATIONS:
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
    while wanted and generation <= _GENERATIONS:
        entries = [entry for parent in wanted for entry in space.library.children(space.project, parent)]
        wanted = []
        for entry in entries:
            if entry.artifact not in found:
                shown = entry.model_dump(include={"artifact", "name", "kind", "created"})
                found[entry.artifact] = Relative(generation=generation, **shown)
                wanted.append(entry.artifact)
        generation += 1
    return list(found.values())
