"""Search: one query finds pictures, spoken moments and texts."""

import asyncio
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import AwareDatetime, BaseModel, Field

from flows.errors import NothingToDo
from flows.form import Form, project_field
from flows.job import Job
from flows.prefect_job import run_as_flow
from flows.showing import search_page
from flows.subjects import Subject, subject
from modalities.embedding import Embedding, EmbedImage, EmbedText, read_vector
from modalities.media import read_text
from storage.index import Hit, PartKind

KINDS: tuple[PartKind, ...] = ("image", "speech", "text")
_MEANINGFUL = 2000


class Query(Form):
    """What to look for: words, or something that the results should be like."""

    words: str = Field(default="", title="Words", description="What it shows, says or is about.", max_length=2000)
    like: str = Field(
        default="",
        title="Like this artifact",
        description="The id of a stored picture or text that the results should resemble, instead of words.",
        pattern=r"^([0-9a-f]{8,64})?$",
    )
    kinds: list[Literal["image", "speech", "text"]] = Field(
        default=["image", "speech", "text"], title="Kinds", description="What to look through.", min_length=1
    )
    labels: list[str] = Field(default=[], title="Labels", description="Only what has all of these labels.")
    since: AwareDatetime | None = Field(
        default=None, title="Since", description="Only what came at this time or later."
    )
    until: AwareDatetime | None = Field(default=None, title="Until", description="Only what came before this time.")
    limit: int = Field(default=10, title="Results at most", description="How many results to list.", ge=1, le=200)
    offset: int = Field(default=0, title="Leave out", description="How many of the best to leave out.", ge=0, le=400)
    project: str = project_field()


class SearchReport(BaseModel):
    """The hits, best first."""

    hits: list[Hit]

    def __str__(self) -> str:
        return f"{len(self.hits)} hits."


@flow(name="search")
async def search(query: Query) -> State[Any]:
    """Find pictures, spoken moments and texts by what they mean."""
    return await run_as_flow(query.project, lambda job: find(job, query))


async def find(job: Job, query: Query) -> SearchReport:
    """Embed the question once per space and ask the index."""
    words = query.words.replace("\0", " ").strip()  # which no database takes
    if query.like:
        likeness = await asyncio.to_thread(subject, job.space, query.like)
        vectors, words = await _resemblance(job, likeness), ""
    elif words:
        vectors = await _meaning(job, words, query.kinds)
    else:
        raise NothingToDo("The search has no words: say what to look for, or name an artifact to compare with.")
    hits = await asyncio.to_thread(
        job.space.index.search,
        job.space.project,
        vectors=vectors,
        words=words or None,
        kinds=tuple(query.kinds),
        labels=tuple(label.replace("\0", "") for label in query.labels),
        limit=query.limit,
        offset=query.offset,
        since=query.since,
        until=query.until,
    )
    report = SearchReport(hits=hits)
    await job.show("hits", await asyncio.to_thread(search_page, job.space, query.words or query.like, hits))
    return report


Vectors = dict[PartKind, tuple[str, list[float]]]


async def _meaning(job: Job, words: str, kinds: list[Any]) -> Vectors:
    """The words in the space of each kind: pictures through their text tower, the others as a query."""
    profile = job.space.profile
    models: dict[PartKind, str] = {
        kind: profile.pictures if kind == "image" else profile.passages for kind in KINDS if kind in kinds
    }
    names = list(dict.fromkeys(models.values()))
    answers = await job.answers([EmbedText(model=name, text=words, role="query") for name in names])
    vectors = {name: await _vector(job, answer) for name, answer in zip(names, answers, strict=True)}
    return {kind: (job.space.platform.vector_space(name), vectors[name]) for kind, name in models.items()}


async def _resemblance(job: Job, likeness: Subject) -> Vectors:
    """A picture looks for pictures; a text looks for everything."""
    if likeness.kind == "image":
        model = job.space.profile.pictures
        answer = await job.answer(EmbedImage(model=model, image=likeness.artifact))
        return {"image": (job.space.platform.vector_space(model), await _vector(job, answer))}
    if likeness.kind == "text":
        text = read_text(await asyncio.to_thread(job.space.store.get, likeness.artifact))
        return await _meaning(job, text[:_MEANINGFUL], list(KINDS))
    raise NothingToDo(f"{likeness.name} is neither a picture nor a text: search for the words that are said in it.")


async def _vector(job: Job, answer: Any) -> list[float]:
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Embedding)
    vector = await asyncio.to_thread(read_vector, job.space.store, answer)
    return vector.tolist()
