"""Index artifacts for search: embed their parts, and write the vectors to the search index.

Ingest and rebuild share this code. In a rebuild every request has its answer in the bucket already, so no model runs
and the index comes out as it was.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from flows.library.labelling import sync_labels
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError
from media.identify import read_text
from modalities.answers import Answer
from modalities.contract import Request
from modalities.embedding.passages import split_passages
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, read_vector
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


@dataclass(frozen=True)
class Part:
    """A part of an artifact that search can find: a whole picture, a spoken segment, a passage of text."""

    record: ArtifactRecord
    kind: PartKind
    ordinal: int
    text: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None


async def index_artifacts(context: RunContext, records: Sequence[ArtifactRecord]) -> dict[str, str]:
    """Index the parts of the artifacts. Return why artifacts could not be indexed, by artifact id."""
    failures: dict[str, str] = {}
    parts = [Part(record, "image", 0) for record in records if record.kind == "image"]
    parts += await _speech_parts(context, [record for record in records if record.kind == "speech"], failures)
    parts += await _text_parts(context, [record for record in records if record.kind == "text"], failures)
    labels = await asyncio.to_thread(context.space.labels.of_many, records)
    entries = await _embed(context, parts, labels, failures)
    await asyncio.to_thread(context.space.index.add, entries)
    part_counts = Counter({record.artifact.sha256: 0 for record in records if record.artifact.sha256 not in failures})
    part_counts.update(part.record.artifact.sha256 for part in parts if part.record.artifact.sha256 in part_counts)
    await asyncio.to_thread(context.space.index.trim, context.space.project, part_counts)
    await asyncio.to_thread(sync_labels, context.space, records, labels)
    return failures


def expected_entries(space: Space, record: ArtifactRecord, labels: tuple[str, ...]) -> list[Entry] | None:
    """Return the entries that the index should have of an artifact, with empty vectors in their vector spaces.

    None if it is a recording without a stored transcript. Runs no model.
    """
    profile = space.profile
    space_name = space.platform.vector_space(profile.pictures if record.kind == "image" else profile.passages)
    parts = [Part(record, "image", 0)] if record.kind == "image" else []
    if record.kind == "text":
        parts = _passage_parts(space, record)
    elif record.kind == "speech":
        transcript = space.answers.find(Transcribe(model=profile.speech, audio=record.artifact))
        if transcript is None:
            return None
        parts = _segment_parts(space, record, transcript)
    return [_entry(part, labels, {space_name: []}) for part in parts]


def is_findable(record: ArtifactRecord) -> bool:
    """Whether search should find the artifact. Transcripts, subtitles and other derived files are left out."""
    return record.kind != "data" and record.properties.get("findable", True)


def transcription_request(context: RunContext, record: ArtifactRecord) -> Transcribe:
    """Return the request for the transcript that is indexed: in the spoken language, which is detected."""
    return Transcribe(model=context.space.profile.speech, audio=record.artifact)


def picture_embedding_request(space: Space, picture: Artifact) -> EmbedImage:
    """Return the request for the vector that a picture is found by."""
    return EmbedImage(model=space.profile.pictures, image=picture)


async def _speech_parts(context: RunContext, records: Sequence[ArtifactRecord], failures: dict[str, str]) -> list[Part]:
    answers = await context.answers([transcription_request(context, record) for record in records])
    parts: list[Part] = []
    for record, answer in zip(records, answers, strict=True):
        if isinstance(answer, ItemError):
            failures[record.artifact.sha256] = str(answer)
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


async def _text_parts(context: RunContext, records: Sequence[ArtifactRecord], failures: dict[str, str]) -> list[Part]:
    def read(record: ArtifactRecord) -> list[Part]:
        try:
            return _passage_parts(context.space, record)
        except _LOST as error:
            failures[record.artifact.sha256] = str(error)
            return []

    return [part for found in await _map_in_threads(read, records) for part in found]


def _passage_parts(space: Space, record: ArtifactRecord) -> list[Part]:
    text = read_text(space.store.get(record.artifact))
    return [Part(record, "text", ordinal, piece) for ordinal, piece in enumerate(split_passages(text))]


async def _embed(
    context: RunContext, parts: Sequence[Part], labels: Mapping[str, tuple[str, ...]], failures: dict[str, str]
) -> list[Entry]:
    profile = context.space.profile
    requests = [
        picture_embedding_request(context.space, part.record.artifact)
        if part.kind == "image"
        else EmbedText(model=profile.passages, text=part.text, role="passage")
        for part in parts
    ]
    answers = await context.answers(requests)
    spaces = {model: context.space.platform.vector_space(model) for model in (profile.pictures, profile.passages)}

    def entry(embedded: tuple[Part, Request[Any], Answer]) -> Entry | None:
        part, request, answer = embedded
        try:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Embedding)
            vector = read_vector(context.space.store, answer)
        except (ItemError, *_LOST) as error:
            failures[part.record.artifact.sha256] = str(error)
            return None
        return _entry(part, labels[part.record.artifact.sha256], {spaces[request.model]: vector.tolist()})

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


def _entry(part: Part, labels: tuple[str, ...], vectors: dict[str, list[float]]) -> Entry:
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
    )
