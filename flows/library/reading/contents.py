"""The contents of files: read once in the sandbox, and stored as the answer of a recipe.

A picture that browsers and models do not decode has a copy to show; a film has frames; a document has passages with
their places, and pictures inside.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flows.library.inputs import InputArtifact
from flows.running.platform import Space
from media.facts import CONTENTS
from media.plain_text import read_text
from media.reading.contents import Extract, Passages, Rendering
from storage.artifacts import Artifact
from storage.recipes import Recipe, RecipeRecord
from storage.records import DOCUMENT_TYPES, ArtifactRecord

_OPERATOR, _VERSION = "media.reading:ReadContents", "1"
"""In the recipe of stored contents; the version changes when the same file would be read in another way."""
_DOCUMENT_TYPE = "application/json"


class StoredPicture(BaseModel):
    """A picture of the contents; `place` is where it is in the file, such as `page=3` or `t=12.5`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: Artifact
    place: str = ""
    name: str = ""


class Contents(BaseModel):
    """What is in a file: see media.reading.contents.Extract."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shown: StoredPicture | None = None
    frames: tuple[StoredPicture, ...] = ()
    passages: tuple[Passages, ...] = ()
    pictures: tuple[StoredPicture, ...] = ()
    motion: StoredPicture | None = None
    cut: str = ""


def has_contents(artifact: Artifact, record: ArtifactRecord | None) -> bool:
    """Whether the contents of a file are read apart; without a record, its media type decides."""
    properties = record.properties if record else {}
    media_type = artifact.media_type
    return bool(properties.get(CONTENTS)) or media_type.startswith("video/") or media_type in DOCUMENT_TYPES


def find_contents(space: Space, artifact: Artifact) -> Contents | None:
    """Return the stored contents of a file, or None."""
    found = space.recipes.find(_recipe(artifact).key)
    if found is None:
        return None
    document = Artifact.model_validate(found.result["document"])
    return Contents.model_validate_json(space.store.get(document))


def read_contents(space: Space, artifact: Artifact, path: Path | None = None) -> Contents:
    """Return the contents of a file: the stored ones, or those read from `path` or the bucket. Raises ItemError."""
    if found := find_contents(space, artifact):
        return found
    started = time.perf_counter()
    with ExitStack() as stack:
        local = path or stack.enter_context(space.store.local(artifact))
        extract, blobs = space.platform.decoders.read(local, artifact.media_type)
    return _store(space, artifact, extract, blobs, time.perf_counter() - started)


def shown_picture(space: Space, found: InputArtifact) -> Artifact:
    """Return the picture that stands for an artifact: itself, or the copy, poster or first page. Raises ItemError."""
    return picture_at(space, found)


def picture_at(space: Space, found: InputArtifact, *, seconds: float | None = None, place: str = "") -> Artifact:
    """Return the frame nearest to a time or at a place of an artifact, or the picture that stands for it."""
    contents = read_contents(space, found.artifact) if has_contents(found.artifact, found.record) else Contents()
    if seconds is not None and contents.frames:
        frames = [frame for frame in contents.frames if frame.place.startswith("t=")]
        times = {abs(float(frame.place.removeprefix("t=")) - seconds): frame for frame in frames}
        if times:
            return times[min(times)].artifact
    frame = next((frame for frame in contents.frames if place and frame.place == place), contents.shown)
    return frame.artifact if frame else found.artifact


def full_text(space: Space, found: InputArtifact) -> str:
    """Return the text of a text or document, without places. Raises ItemError."""
    if has_contents(found.artifact, found.record):
        return "\n\n".join(passages.text for passages in read_contents(space, found.artifact).passages)
    return read_text(space.store.get(found.artifact))


def _store(space: Space, artifact: Artifact, extract: Extract, blobs: Sequence[bytes], seconds: float) -> Contents:
    def stored(rendering: Rendering) -> StoredPicture:
        kept = space.store.put(blobs[rendering.blob], rendering.media_type)
        return StoredPicture(artifact=kept, place=rendering.place, name=rendering.name)

    contents = Contents(
        shown=stored(extract.shown) if extract.shown else None,
        frames=tuple(stored(frame) for frame in extract.frames),
        passages=extract.passages,
        pictures=tuple(stored(picture) for picture in extract.pictures),
        motion=stored(extract.motion) if extract.motion else None,
        cut=extract.cut,
    )
    document = space.store.put(contents.model_dump_json().encode(), _DOCUMENT_TYPE)
    single = [each for each in (contents.shown, contents.motion) if each]
    stored_files = [*single, *contents.frames, *contents.pictures]
    outputs = dict.fromkeys([document.sha256, *(each.artifact.sha256 for each in stored_files)])
    result = {"document": document.model_dump(mode="json")}
    recipe = _recipe(artifact)
    space.recipes.add(RecipeRecord(recipe=recipe, result=result, outputs=tuple(outputs), seconds=round(seconds, 4)))
    return contents


def _recipe(artifact: Artifact) -> Recipe:
    request = {"file": artifact.model_dump(mode="json")}
    return Recipe(operator=_OPERATOR, version=_VERSION, weights="", request=request, inputs=(artifact.sha256,))
