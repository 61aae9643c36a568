"""Read the text in pictures, frames and scanned pages, where the profile has a model for it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flows.library.reading.contents import Contents
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError, UnreadableMedia
from modalities.answers import Answer
from modalities.ocr.requests import ReadText, WrittenText
from storage.artifacts import Artifact
from storage.records import ArtifactRecord

_MAX_PICTURES = 100
"""Frames and pages of one file that are read."""
_SURE = 0.9
"""The score of a line of one sign that is text."""
Texts = Mapping[str, WrittenText]
"""The text in pictures, by their artifact id."""
FoundTexts = tuple[Texts, dict[str, ItemError]]
"""Texts, and why the text in the pictures of other artifacts is not known, by the artifacts' ids."""


@dataclass(frozen=True)
class ReadArtifact:
    """An artifact's record and the contents of its file, None if those are not read apart."""

    record: ArtifactRecord
    contents: Contents | None

    @property
    def pictures(self) -> list[Artifact]:
        """The pictures that may have text in them."""
        return list(_of_contents(self.record, self.contents))


async def read_texts(context: RunContext, read: Sequence[ReadArtifact]) -> FoundTexts:
    """Read the text in the pictures of artifacts. Return it, and why some was not read, by artifact id.

    Nothing is read if the profile has no model for it.
    """
    requests = _requests(context.space, read)
    answers = dict(zip(requests, await context.answers(list(requests.values())), strict=True))
    failures = await asyncio.to_thread(_unusable, context.space, read, requests)
    for one in read:
        for answer in (answers[picture] for picture in one.pictures if picture in answers):
            if isinstance(answer, ItemError) and not isinstance(answer, UnreadableMedia):
                error = ItemError(f"The text in it was not read: {answer}")
                failures.setdefault(one.record.artifact.sha256, error)
    return _with_lines(answers), failures


async def find_texts(context: RunContext, read: Sequence[ReadArtifact]) -> FoundTexts:
    """Return the texts that were read in the pictures of artifacts before. Runs no model."""
    requests = _requests(context.space, read)
    failures = await asyncio.to_thread(_unusable, context.space, read, requests)
    if failures:
        return {}, failures
    found = await asyncio.to_thread(context.space.answers.find_all, list(requests.values()))
    return _with_lines(dict(zip(requests, found, strict=True))), {}


def stored_texts(space: Space, read: ReadArtifact) -> Texts:
    """Return the texts that were read in the pictures of one artifact before. Runs no model."""
    return _with_lines({picture: space.answers.find(request) for picture, request in _requests(space, [read]).items()})


def _requests(space: Space, read: Sequence[ReadArtifact]) -> dict[Artifact, ReadText]:
    model = space.profile.text_in_pictures
    if model is None:
        return {}
    return {picture: ReadText(model=model, image=picture) for one in read for picture in one.pictures}


def _unusable(
    space: Space, read: Sequence[ReadArtifact], requests: Mapping[Artifact, ReadText]
) -> dict[str, ItemError]:
    """Return why the model cannot be used, such as for its missing weights, by the ids of artifacts with pictures."""
    faults = space.answers.unusable(list(requests.values()))
    if not faults:
        return {}
    fault = next(iter(faults.values()))
    return {one.record.artifact.sha256: fault for one in read if one.pictures}


def _with_lines(answers: Mapping[Artifact, Answer | None]) -> dict[str, WrittenText]:
    read = {picture.sha256: _certain(answer) for picture, answer in answers.items() if isinstance(answer, WrittenText)}
    return {sha256: written for sha256, written in read.items() if written.lines}


def _certain(written: WrittenText) -> WrittenText:
    """The text without single signs that the model is not sure of: they are edges and shadows for the most part."""
    lines = tuple(line for line in written.lines if len(line.text) > 1 or line.score >= _SURE)
    return WrittenText(lines=lines)


def _of_contents(record: ArtifactRecord, contents: Contents | None) -> Iterable[Artifact]:
    """The pictures of an artifact that may have text in them: itself or its copy, frames, and pages without text."""
    if contents is None:
        return [record.artifact] if record.kind == "image" else []
    whole = [contents.shown] if contents.shown and record.kind == "image" else []
    return dict.fromkeys(picture.artifact for picture in [*whole, *contents.frames][:_MAX_PICTURES])
