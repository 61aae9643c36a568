"""Makes artifacts findable: asks the models what they mean, and puts that into the index.

The same function serves a first ingest and a rebuild. In a rebuild every question has its answer in the bucket already,
so no model runs and the index comes out as it was.
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
from modalities.embedding.open_clip import Embedding, EmbedImage, EmbedText, read_vector
from modalities.embedding.passages import split_passages
from modalities.speech.transcription import Transcribe, Transcript, read_segments
from storage.artifacts import Artifact
from storage.errors import ArtifactCorrupt, ArtifactNotFound
from storage.index.search_index import Entry, PartKind
from storage.records import ArtifactRecord

TRANSCRIPT = ".transcript.json"
"""How the names of transcripts end."""
_AT_ONCE = 4
_LOST = (ArtifactNotFound, ArtifactCorrupt)
"""One artifact whose bytes are lost keeps no other from being found."""
ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


@dataclass(frozen=True)
class Part:
    """A findable part of an artifact: the whole picture, a spoken segment, a passage of text."""

    record: ArtifactRecord
    kind: PartKind
    ordinal: int
    text: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None


async def index_artifacts(context: RunContext, records: Sequence[ArtifactRecord]) -> dict[str, str]:
    """Index the parts of the artifacts. Returns the reasons of those that could not be, by artifact id."""
    failures: dict[str, str] = {}
    parts = [Part(record, "image", 0) for record in records if record.kind == "image"]
    parts += await _spoken(context, [record for record in records if record.kind == "speech"], failures)
    parts += await _written(context, [record for record in records if record.kind == "text"], failures)
    labels = await asyncio.to_thread(context.space.labels.of_all, records)
    entries = await _embed(context, parts, labels, failures)
    await asyncio.to_thread(context.space.index.add, entries)
    whole = Counter({record.artifact.sha256: 0 for record in records if record.artifact.sha256 not in failures})
    whole.update(part.record.artifact.sha256 for part in parts if part.record.artifact.sha256 in whole)
    await asyncio.to_thread(context.space.index.trim, context.space.project, whole)
    await asyncio.to_thread(sync_labels, context.space, records, labels)
    return failures


def expected_entries(space: Space, record: ArtifactRecord, labels: tuple[str, ...]) -> list[Entry] | None:
    """The entries that the index should have of an artifact, with the names of their spaces and no vectors.

    None while nobody has written down what is said in it. Asks no model.
    """
    profile = space.profile
    space_name = space.platform.vector_space(profile.pictures if record.kind == "image" else profile.passages)
    parts = [Part(record, "image", 0)] if record.kind == "image" else []
    if record.kind == "text":
        parts = _passages(space, record)
    elif record.kind == "speech":
        transcript = space.answers.find(Transcribe(model=profile.speech, audio=record.artifact))
        if transcript is None:
            return None
        parts = _segments(space, record, transcript)
    return [_entry(part, labels, {space_name: []}) for part in parts]


def is_findable(record: ArtifactRecord) -> bool:
    """Whether the artifact is meant to be found by search: transcripts, subtitles and the like are not."""
    return record.kind != "data" and record.properties.get("findable", True)


def transcription_request(context: RunContext, record: ArtifactRecord) -> Transcribe:
    """The transcription that search looks into: the language as it is spoken, detected."""
    return Transcribe(model=context.space.profile.speech, audio=record.artifact)


def picture_embedding_request(space: Space, picture: Artifact) -> EmbedImage:
    """The question that finds a picture later."""
    return EmbedImage(model=space.profile.pictures, image=picture)


async def _spoken(context: RunContext, records: Sequence[ArtifactRecord], failures: dict[str, str]) -> list[Part]:
    answers = await context.answers([transcription_request(context, record) for record in records])
    parts: list[Part] = []
    for record, answer in zip(records, answers, strict=True):
        if isinstance(answer, ItemError):
            failures[record.artifact.sha256] = str(answer)
            continue
        assert isinstance(answer, Transcript)
        await asyncio.to_thread(record_transcript, context, record, answer)
        try:
            parts += await asyncio.to_thread(_segments, context.space, record, answer)
        except _LOST as error:
            failures[record.artifact.sha256] = str(error)
    return parts


def _segments(space: Space, record: ArtifactRecord, transcript: Transcript) -> list[Part]:
    return [
        Part(record, "speech", ordinal, segment.text, segment.start_seconds, segment.end_seconds)
        for ordinal, segment in enumerate(read_segments(space.store, transcript))
    ]


async def _written(context: RunContext, records: Sequence[ArtifactRecord], failures: dict[str, str]) -> list[Part]:
    def read(record: ArtifactRecord) -> list[Part]:
        try:
            return _passages(context.space, record)
        except _LOST as error:
            failures[record.artifact.sha256] = str(error)
            return []

    return [part for found in await _few_at_once(read, records) for part in found]


def _passages(space: Space, record: ArtifactRecord) -> list[Part]:
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

    def entry(asked: tuple[Part, Request[Any], Answer]) -> Entry | None:
        part, request, answer = asked
        try:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Embedding)
            vector = read_vector(context.space.store, answer)
        except (ItemError, *_LOST) as error:
            failures[part.record.artifact.sha256] = str(error)
            return None
        return _entry(part, labels[part.record.artifact.sha256], {spaces[request.model]: vector.tolist()})

    made = await _few_at_once(entry, list(zip(parts, requests, answers, strict=True)))
    return [entry for entry in made if entry]


async def _few_at_once(work: Callable[[ItemT], FoundT], items: Sequence[ItemT]) -> list[FoundT]:
    """Reads from the bucket, in order, away from the event loop."""

    def run() -> list[FoundT]:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(work, items))

    return await asyncio.to_thread(run)


def record_transcript(context: RunContext, record: ArtifactRecord, transcript: Transcript) -> ArtifactRecord:
    """Keep a transcript's document as an artifact that descends from the sound."""
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
