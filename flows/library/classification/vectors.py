"""The vectors and texts of artifacts that classifiers learn from and are used on."""

import asyncio
from collections.abc import Sequence

from flows.library.indexing import picture_embedding_request
from flows.library.inputs import InputArtifact
from flows.library.reading.contents import full_text, shown_picture
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError
from modalities.embedding.requests import Embedding, EmbedText, Vectors, read_vector
from modalities.errors import InvalidRequest
from storage.artifacts import Artifact
from storage.errors import ArtifactCorrupt, ArtifactNotFound, RecordCorrupt
from storage.records import ArtifactRecord

LONGEST_TEXT = 4000
"""Characters of an artifact's text that are classified: encoders read less."""
LOST = (ItemError, ArtifactNotFound, ArtifactCorrupt, RecordCorrupt)
"""Errors of one artifact that cannot be read; the others are still classified."""


async def picture_embeddings(context: RunContext, records: Sequence[ArtifactRecord]) -> dict[str, Embedding]:
    """The embeddings of pictures by artifact id, stored ones or new ones, without those that cannot be read."""
    pictures = await asyncio.to_thread(lambda: [(r.artifact.sha256, shown(context.space, r)) for r in records])
    there = [(sha256, picture) for sha256, picture in pictures if picture]
    answers = await context.answers([picture_embedding_request(context.space, picture) for _, picture in there])
    found = zip(there, answers, strict=True)
    return {sha256: answer for (sha256, _), answer in found if isinstance(answer, Embedding)}


async def picture_vectors(context: RunContext, records: Sequence[ArtifactRecord]) -> dict[str, Vectors]:
    """The vectors of pictures by artifact id, without those that cannot be read."""
    found = await picture_embeddings(context, records)
    return await asyncio.to_thread(
        lambda: {sha256: read_vector(context.space.store, embedding) for sha256, embedding in found.items()}
    )


def text_vectors(space: Space, model: str, texts: Sequence[str]) -> list[Vectors]:
    """The vectors of texts by models of this process, of which nothing is stored. Raises InvalidRequest."""
    answers, scratch = space.answers.run_unkept([EmbedText(model=model, text=text) for text in texts])
    rows: list[Vectors] = []
    for answer in answers:
        if not isinstance(answer, Embedding):
            raise InvalidRequest(str(answer))
        rows.append(read_vector(scratch, answer))
    return rows


def text_of(space: Space, record: ArtifactRecord) -> str:
    """The beginning of an artifact's text; empty if it cannot be read."""
    try:
        return full_text(space, InputArtifact(record.artifact, record))[:LONGEST_TEXT].strip()
    except LOST:
        return ""


def shown(space: Space, record: ArtifactRecord) -> Artifact | None:
    """The picture of an artifact as browsers show it; None if it cannot be read."""
    try:
        return shown_picture(space, InputArtifact(record.artifact, record))
    except LOST:
        return None
