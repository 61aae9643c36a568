"""Index artifacts for search: embed their parts, and write the vectors to the search index.

Ingest and rebuild share this code. In a rebuild every request has its answer in the bucket already, so no model runs
and the index comes out as it was.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from flows.library.hearing import transcripts
from flows.library.labelling import sync_labels
from flows.library.reading.contents import find_contents, has_contents, read_contents
from flows.library.reading.parts import Part, contents_parts, entry_of, is_heard, segment_parts
from flows.library.reading.text_in_pictures import FoundTexts, ReadArtifact, Texts, find_texts, read_texts
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Request
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, read_vector
from modalities.errors import ModelFault
from modalities.speech.requests import Transcribe, Transcript
from storage.artifacts import Artifact
from storage.errors import ArtifactCorrupt, ArtifactNotFound
from storage.index.parts import Entry, PartKind
from storage.records import ArtifactRecord, kind_of

TRANSCRIPT = ".transcript.json"
"""End of the name of a transcript document."""
_THREADS = 4
_LOST = (ArtifactNotFound, ArtifactCorrupt)
"""Errors of an artifact whose bytes are lost; the other artifacts are still indexed."""
ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


class IndexFailures(dict[str, str]):
    """Why artifacts could not be indexed, by artifact id.

    Those in `waiting` can be indexed once a model is there; those in `without_text` are indexed, but not the text in
    their pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()
        self.without_text: set[str] = set()

    def add(self, sha256: str, error: Exception) -> None:
        self[sha256] = str(error)
        if isinstance(error, ModelFault) or getattr(error, "retryable", False):
            self.waiting.add(sha256)

    def add_all(self, others: "IndexFailures") -> None:
        self.update(others)
        self.waiting |= others.waiting
        self.without_text |= others.without_text


async def index_artifacts(context: RunContext, records: Sequence[ArtifactRecord]) -> IndexFailures:
    """Index the parts of the artifacts, with the text in their pictures that was read before."""
    return await _index(context, records, find_texts)


async def read_and_index(context: RunContext, records: Sequence[ArtifactRecord]) -> IndexFailures:
    """Read the text in the pictures of the artifacts, and index their parts."""
    return await _index(context, records, read_texts)


async def _index(
    context: RunContext,
    records: Sequence[ArtifactRecord],
    texts_of: Callable[[RunContext, Sequence[ReadArtifact]], Awaitable[FoundTexts]],
) -> IndexFailures:
    labels, no_labels = await asyncio.to_thread(context.space.labels.of_many, records)
    records = [record for record in records if record.artifact.sha256 in labels]
    failures = IndexFailures()
    failures.update(no_labels)
    read = await _read_artifacts(context, records, failures)
    texts, unread = await texts_of(context, read)
    for sha256, error in unread.items():
        if isinstance(error, ModelFault):  # the text that the index may have of it stays there
            failures.add(sha256, error)
    parts = await _seen_and_read_parts(context, read, texts, failures)
    parts += await _speech_parts(context, [record for record in records if is_heard(record)], failures)
    entries = await _embed(context, parts, labels, failures)
    await asyncio.to_thread(context.space.index.add, entries)
    counts = {record.artifact.sha256: Counter[PartKind]() for record in records}
    for part in parts:
        counts[part.record.artifact.sha256][part.kind] += 1
    kept = {sha256: of_kinds for sha256, of_kinds in counts.items() if sha256 not in failures}
    await asyncio.to_thread(context.space.index.trim, context.space.project, kept)
    await asyncio.to_thread(sync_labels, context.space, records, labels)
    for sha256 in unread.keys() - failures.keys():
        failures.add(sha256, unread[sha256])
        failures.without_text.add(sha256)
    return failures


def is_findable(record: ArtifactRecord) -> bool:
    """Whether search should find the artifact. Transcripts, subtitles and other derived files are left out."""
    return record.kind != "data" and record.properties.get("findable", True)


def transcription_request(context: RunContext, record: ArtifactRecord) -> Transcribe:
    """Return the request for the transcript that is indexed: in the spoken language, which is detected."""
    return Transcribe(model=context.space.profile.speech, audio=record.artifact)


def picture_embedding_request(space: Space, picture: Artifact) -> EmbedImage:
    """Return the request for the vector that a picture is found by."""
    return EmbedImage(model=space.profile.pictures, image=picture)


def recognized_concepts(space: Space, picture: Artifact) -> dict[str, float]:
    """What a stored picture shows by the profile's model, such as dog.n.01, with probabilities; runs no model.

    Nothing for an artifact of another kind.

    A picture that models do not decode, such as a HEIC file, is embedded by the copy that is shown of it.
    """
    if kind_of(picture.media_type) != "image":
        return {}
    try:
        contents = find_contents(space, picture)
        seen = contents.shown.artifact if contents and contents.shown else picture
        answer = space.answers.find(picture_embedding_request(space, seen))
    except (ModelFault, *_LOST):  # weights that are missing here have no recipe
        return {}
    return answer.concepts if answer else {}


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
            parts += await asyncio.to_thread(segment_parts, context.space, record, answer)
        except _LOST as error:
            failures[record.artifact.sha256] = str(error)
    return parts


async def _read_artifacts(
    context: RunContext, records: Sequence[ArtifactRecord], failures: IndexFailures
) -> list[ReadArtifact]:
    """Return the contents of pictures, films, texts and documents, which are read if they are not stored."""
    space = context.space

    def read(record: ArtifactRecord) -> ReadArtifact | None:
        try:
            contents = read_contents(space, record.artifact) if has_contents(record.artifact, record) else None
            return ReadArtifact(record, contents)
        except (ItemError, *_LOST) as error:
            failures.add(record.artifact.sha256, error)
            return None

    return [one for one in await _map_in_threads(read, records) if one]


async def _seen_and_read_parts(
    context: RunContext, read: Sequence[ReadArtifact], texts: Texts, failures: IndexFailures
) -> list[Part]:
    """Return the parts of pictures, films, texts and documents, without those that have failed."""

    def parts_of(one: ReadArtifact) -> list[Part]:
        try:
            return contents_parts(context.space, one.record, one.contents, texts)
        except (ItemError, *_LOST) as error:
            failures.add(one.record.artifact.sha256, error)
            return []

    known = [one for one in read if one.record.artifact.sha256 not in failures]
    return [part for found in await _map_in_threads(parts_of, known) for part in found]


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
        return entry_of(part, labels[part.record.artifact.sha256], {name: vector.tolist()}, answer.concepts)

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
