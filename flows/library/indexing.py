"""Index artifacts for search: embed their parts, and write the vectors to the search index.

Ingest and rebuild share this code. In a rebuild every request has its answer in the bucket already, so no model runs
and the index comes out as it was.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from flows.library.hearing import transcripts
from flows.library.labelling import sync_labels
from flows.library.reading.contents import find_contents, has_contents, read_contents
from flows.library.reading.parts import Part, contents_parts
from flows.library.reading.text_in_pictures import stored_texts
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError
from media.facts import CONTENTS
from modalities.answers import Answer
from modalities.contract import Request
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, read_vector
from modalities.errors import ModelFault
from modalities.speech.requests import Transcribe, Transcript, read_segments
from storage.artifacts import Artifact
from storage.errors import ArtifactCorrupt, ArtifactNotFound
from storage.index.parts import Entry, PartKind
from storage.records import ArtifactRecord

TRANSCRIPT = ".transcript.json"
"""End of the name of a transcript document."""
_THREADS = 4
_LOST = (ArtifactNotFound, ArtifactCorrupt)
"""Errors of an artifact whose bytes are lost; the other artifacts are still indexed."""
ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


class IndexFailures(dict[str, str]):
    """Why artifacts could not be indexed, by artifact id. Those in `waiting` can be indexed once a model is there."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()

    def add(self, sha256: str, error: Exception) -> None:
        self[sha256] = str(error)
        if isinstance(error, ModelFault) or getattr(error, "retryable", False):
            self.waiting.add(sha256)


async def index_artifacts(context: RunContext, records: Sequence[ArtifactRecord]) -> IndexFailures:
    """Index the parts of the artifacts. Return why artifacts could not be indexed, by artifact id."""
    failures = IndexFailures()
    parts = await _seen_and_read_parts(context, records, failures)
    parts += await _speech_parts(context, [record for record in records if _is_heard(record)], failures)
    labels = await asyncio.to_thread(context.space.labels.of_many, records)
    entries = await _embed(context, parts, labels, failures)
    await asyncio.to_thread(context.space.index.add, entries)
    counts = {record.artifact.sha256: Counter[PartKind]() for record in records}
    for part in parts:
        counts[part.record.artifact.sha256][part.kind] += 1
    kept = {sha256: of_kinds for sha256, of_kinds in counts.items() if sha256 not in failures}
    await asyncio.to_thread(context.space.index.trim, context.space.project, kept)
    await asyncio.to_thread(sync_labels, context.space, records, labels)
    return failures


def expected_entries(
    space: Space, record: ArtifactRecord, labels: tuple[str, ...], serving: Mapping[PartKind, str]
) -> list[Entry] | None:
    """Return the entries that the index should have of an artifact, with empty vectors in their vector spaces.

    `serving` are the spaces that answer, where those are not of the profile's models.

    None if it has no stored transcript or contents although it should have. Runs no model and reads no file.
    """
    profile = space.profile
    contents = find_contents(space, record.artifact) if has_contents(record.artifact, record) else None
    if contents is None and CONTENTS in record.properties:
        return None
    parts = contents_parts(space, record, contents, stored_texts(space, record, contents))
    if _is_heard(record):
        transcript = space.answers.find(Transcribe(model=profile.speech, audio=record.artifact))
        if transcript is None:
            return None
        parts += _segment_parts(space, record, transcript)
    kinds: set[PartKind] = {part.kind for part in parts}
    spaces = {
        kind: serving.get(kind)
        or space.platform.vector_space(profile.pictures if kind == "image" else profile.passages)
        for kind in kinds
    }
    return [_entry(part, labels, {spaces[part.kind]: []}) for part in parts]


def is_findable(record: ArtifactRecord) -> bool:
    """Whether search should find the artifact. Transcripts, subtitles and other derived files are left out."""
    return record.kind != "data" and record.properties.get("findable", True)


def transcription_request(context: RunContext, record: ArtifactRecord) -> Transcribe:
    """Return the request for the transcript that is indexed: in the spoken language, which is detected."""
    return Transcribe(model=context.space.profile.speech, audio=record.artifact)


def picture_embedding_request(space: Space, picture: Artifact) -> EmbedImage:
    """Return the request for the vector that a picture is found by."""
    return EmbedImage(model=space.profile.pictures, image=picture)


def _is_heard(record: ArtifactRecord) -> bool:
    """Whether a recording has sound; those of before were refused without."""
    return record.kind == "speech" and bool(record.properties.get("has_sound", True))


async def _speech_parts(context: RunContext, records: Sequence[ArtifactRecord], failures: IndexFailures) -> list[Part]:
    answers = await transcripts(context, [transcription_request(context, record) for record in records])
    parts: list[Part] = []
    for record, answer in zip(records, answers, strict=True):
        if isinstance(answer, ItemError):
            failures.add(record.artifact.sha256, answer)
            continue
        assert isinstance(answer, Transcript)
        await asyncio.to_thread(record_transcript, context, record, answer)
        try:
            parts += await asyncio.to_thread(_segment_parts, context.space, record, answer)
        except _LOST as error:
            failures[record.artifact.sha256] = str(error)
    return parts


def _segment_parts(space: Space, record: ArtifactRecord, transcript: Transcript) -> list[Part]:
    return [
        Part(record, "speech", ordinal, segment.text, segment.start_seconds, segment.end_seconds)
        for ordinal, segment in enumerate(read_segments(space.store, transcript))
    ]


async def _seen_and_read_parts(
    context: RunContext, records: Sequence[ArtifactRecord], failures: IndexFailures
) -> list[Part]:
    """Return the parts of pictures, films, texts and documents, whose contents are read if they are not stored."""
    space = context.space

    def read(record: ArtifactRecord) -> list[Part]:
        try:
            contents = read_contents(space, record.artifact) if has_contents(record.artifact, record) else None
            return contents_parts(space, record, contents, stored_texts(space, record, contents))
        except (ItemError, *_LOST) as error:
            failures.add(record.artifact.sha256, error)
            return []

    return [part for found in await _map_in_threads(read, records) for part in found]


async def _embed(
    context: RunContext, parts: Sequence[Part], labels: Mapping[str, tuple[str, ...]], failures: IndexFailures
) -> list[Entry]:
    profile = context.space.profile
    requests = [
        picture_embedding_request(context.space, part.picture or part.record.artifact)
        if part.kind == "image"
        else EmbedText(model=profile.passages, text=part.text, role="passage")
        for part in parts
    ]
    answers = await context.answers(requests)

    def entry(embedded: tuple[Part, Request[Any], Answer]) -> Entry | None:
        part, request, answer = embedded
        try:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Embedding)
            vector = read_vector(context.space.store, answer)
            name = context.space.platform.vector_space(request.model)
        except (ItemError, *_LOST) as error:
            failures.add(part.record.artifact.sha256, error)
            return None
        return _entry(part, labels[part.record.artifact.sha256], {name: vector.tolist()}, answer.concepts)

    made = await _map_in_threads(entry, list(zip(parts, requests, answers, strict=True)))
    return [entry for entry in made if entry]


async def _map_in_threads(function: Callable[[ItemT], FoundT], items: Sequence[ItemT]) -> list[FoundT]:
    """Apply a function that reads from the bucket to the items, in four threads; return the results in order."""

    def run() -> list[FoundT]:
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(function, items))

    return await asyncio.to_thread(run)


def record_transcript(context: RunContext, record: ArtifactRecord, transcript: Transcript) -> ArtifactRecord:
    """Record a transcript's document as an artifact whose parent is the recording."""
    recipe = context.space.answers.recipe(transcription_request(context, record))
    document, _ = context.space.records.add(
        ArtifactRecord(
            artifact=transcript.document,
            project=record.project,
            name=f"{record.name}{TRANSCRIPT}",
            parents=(record.artifact.sha256,),
            producer=recipe.key,
            properties={"language": transcript.language},
        )
    )
    return document


def _entry(
    part: Part, labels: tuple[str, ...], vectors: dict[str, list[float]], concepts: dict[str, float] | None = None
) -> Entry:
    return Entry(
        project=part.record.project,
        kind=part.kind,
        artifact=part.record.artifact.sha256,
        ordinal=part.ordinal,
        name=part.record.name,
        text=part.text,
        start_seconds=part.start_seconds,
        end_seconds=part.end_seconds,
        labels=labels,
        created=part.record.created,
        vectors=vectors,
        place=part.place,
        artifact_kind=part.record.kind if part.record.kind != "data" else part.kind,
        made=part.record.made,
        concepts=concepts or {},
    )
