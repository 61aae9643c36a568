"""Read the text in pictures, frames and scanned pages, where the profile has a model for it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from flows.library.reading.contents import Contents, has_contents, read_contents
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError, UnreadableMedia
from modalities.ocr.requests import ReadText, WrittenText
from storage.artifacts import Artifact
from storage.errors import ArtifactCorrupt, ArtifactNotFound
from storage.records import ArtifactRecord

_MAX_PICTURES = 100
"""Frames and pages of one file that are read."""
Texts = Mapping[str, WrittenText]
"""The text in pictures, by their artifact id."""


async def read_texts(context: RunContext, records: Sequence[ArtifactRecord]) -> dict[str, str]:
    """Read the text in the pictures of the artifacts, which indexing finds then.

    Return why some was not read, by artifact id. Nothing happens if the profile has no model for it.
    """
    model = context.space.profile.text_in_pictures
    if model is None:
        return {}
    pictures = await asyncio.to_thread(
        lambda: {record.artifact.sha256: _pictures_of(context.space, record) for record in records}
    )
    requests = {
        picture: ReadText(model=model, image=picture) for of_record in pictures.values() for picture in of_record
    }
    answers = dict(zip(requests, await context.answers(list(requests.values())), strict=True))
    failures: dict[str, str] = {}
    for sha256, of_record in pictures.items():
        for answer in (answers[picture] for picture in of_record):
            if isinstance(answer, ItemError) and not isinstance(answer, UnreadableMedia):
                failures[sha256] = f"The text in it was not read: {answer}"
    return failures


def stored_texts(space: Space, record: ArtifactRecord, contents: Contents | None) -> dict[str, WrittenText]:
    """Return the texts that were read in the pictures of an artifact. Runs no model."""
    model = space.profile.text_in_pictures
    found: dict[str, WrittenText] = {}
    for picture in _of_contents(record, contents) if model else ():
        answer = space.answers.find(ReadText(model=str(model), image=picture))
        if answer is not None and answer.lines:
            found[picture.sha256] = answer
    return found


def _pictures_of(space: Space, record: ArtifactRecord) -> list[Artifact]:
    try:
        contents = read_contents(space, record.artifact) if has_contents(record.artifact, record) else None
    except (ItemError, ArtifactNotFound, ArtifactCorrupt):
        return []  # indexing says why
    return list(_of_contents(record, contents))


def _of_contents(record: ArtifactRecord, contents: Contents | None) -> Iterable[Artifact]:
    """The pictures of an artifact that may have text in them: itself or its copy, frames, and pages without text."""
    if contents is None:
        return [record.artifact] if record.kind == "image" else []
    whole = [contents.shown] if contents.shown and record.kind == "image" else []
    return dict.fromkeys(picture.artifact for picture in [*whole, *contents.frames][:_MAX_PICTURES])
