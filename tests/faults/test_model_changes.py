"""A change of the embedding models: the vector spaces of before answer until those of the new models are complete."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flows.care.rebuild_index import rebuild_index
from flows.care.renew_index import renew
from flows.care.verify import Inspection, verify_project
from flows.index.query_vectors import background_lines
from flows.index.space_filling import fill_spaces
from flows.ingest import ingest_files
from flows.library.indexing import index_artifacts
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.search import find
from modalities.embedding.queries import EncodedQuery
from tests.faults.conftest import picture
from tests.faults.stub_models import write_catalogue

FILES = {"market.txt": b"The market is full of pumpkins.", "note.txt": b"A note.", "one.png": picture(1, 40)}


@pytest.fixture
def before(new_platform: Callable[..., Platform], project: str, tmp_path: Path) -> RunContext:
    """A project whose files were embedded by the model stub-embedder."""
    platform = new_platform(models_config=write_catalogue(tmp_path), cache_dir=tmp_path / "cache")
    return local_context(platform.space(project))


async def ingest(context: RunContext) -> list[str]:
    for name, data in FILES.items():
        context.space.platform.bucket.put(f"tmp/{name}", data)
    report = await ingest_files(context, [f"tmp/{name}" for name in FILES])
    return [str(item.artifact) for item in report.items]


def change_model(context: RunContext) -> Path:
    """Let the profile name new-embedder; return the folder of its weights."""
    path = context.space.platform.settings.models_config
    catalogue = json.loads(path.read_text(encoding="utf-8"))
    weights = path.with_name("new-weights")
    weights.mkdir()
    (weights / "new.txt").write_text("no weights either\n", encoding="utf-8")
    catalogue["models"]["new-embedder"] = catalogue["models"]["stub-embedder"] | {
        "operator": "tests.faults.stub_models:LockedEmbedder",
        "source": {"folder": str(weights)},
    }
    catalogue["profiles"]["starter"] |= {"pictures": "new-embedder", "passages": "new-embedder"}
    path.write_text(json.dumps(catalogue), encoding="utf-8")
    return weights


def restarted(context: RunContext) -> RunContext:
    """The same project in a process that reads the catalogue anew."""
    return local_context(Platform(context.space.platform.settings).space(context.space.project))


async def encode_with_the_old_model(context: RunContext, model: str, texts: Sequence[str]) -> list[EncodedQuery]:
    assert model == "stub-embedder"
    return [EncodedQuery([1.0] + [0.0] * 7, ((1.0, 0.0),)) for _ in texts]


async def names(context: RunContext) -> set[str]:
    """The names of all that is found by vectors of the old model."""
    query = Query(words="zebra", at_least=0.0, project=context.space.project)
    return {hit.name for hit in (await find(context, query, encode_with_the_old_model)).hits}


@pytest.mark.parametrize("fault", ["is locked", "has no weights"])
async def test_the_space_of_before_answers_as_long_as_the_new_model_cannot_be_used(
    before: RunContext, fault: str
) -> None:
    ids = await ingest(before)
    old = before.space.index.serving(before.space.project)
    assert set(old) == {"image", "text"}
    weights = change_model(before)
    context = restarted(before)
    # The new space has the vectors of one artifact already when the model fails.
    assert await index_artifacts(context, [context.space.records.get(ids[0])]) == {}

    lock, away = weights.with_name("locked"), weights.with_name("away")
    if fault == "is locked":
        lock.touch()
    else:
        weights.rename(away)
    context = restarted(before)
    failures = await fill_spaces(context)
    assert failures.keys() == failures.waiting == (set(ids[1:]) if fault == "is locked" else set())
    report = await renew(context)
    assert (report.renewed, report.dropped_spaces) == ([], [])
    assert (report.pending, list(report.unusable)) in [([context.space.project], []), ([], ["new-embedder"])]
    assert context.space.index.serving(context.space.project) == old
    assert set((await rebuild_index(context)).failures) >= set(ids[1:])
    assert context.space.index.serving(context.space.project) == old
    assert await names(context) == set(FILES)

    if fault == "is locked":
        lock.unlink()
    else:
        away.rename(weights)
    context = restarted(before)
    report = await renew(context)
    assert (report.renewed, report.failures) == ([context.space.project], {})
    assert report.dropped_spaces == [old["text"]]
    new = context.space.platform.vector_space("new-embedder")
    assert context.space.index.serving(context.space.project) == {"image": new, "text": new}


async def test_every_search_finds_everything_while_the_model_changes(before: RunContext) -> None:
    await ingest(before)
    change_model(before)
    context = restarted(before)
    query = Query(words="zebra", at_least=0.0, project=context.space.project)
    found: list[int] = []

    async def encode(_: RunContext, model: str, texts: Sequence[str]) -> list[EncodedQuery]:
        if model == "stub-embedder" and not found:  # the spaces change after the first query was encoded
            found.append(0)
            assert (await renew(context)).renewed == [context.space.project]
        return [EncodedQuery([1.0] + [0.0] * 7, ((1.0, 0.0),)) for _ in texts]

    report = await find(context, query, encode)
    assert {hit.name for hit in report.hits} == set(FILES)
    assert found == [0]
    assert (await verify_project(context, Inspection(project=context.space.project))).findings == []


async def test_ten_searches_a_second_find_everything_while_the_model_changes(before: RunContext) -> None:
    await ingest(before)
    change_model(before)
    context = restarted(before)
    query = Query(words="zebra", at_least=0.0, project=context.space.project)
    found: list[set[str]] = []

    async def encode(_: RunContext, __: str, texts: Sequence[str]) -> list[EncodedQuery]:
        return [EncodedQuery([1.0] + [0.0] * 7, ((1.0, 0.0),)) for _ in texts]

    async def search_on() -> None:
        while True:
            found.append({hit.name for hit in (await find(context, query, encode)).hits})
            await asyncio.sleep(0.1)

    searches = asyncio.create_task(search_on())
    assert (await renew(context)).renewed == [context.space.project]
    await asyncio.sleep(0.2)
    assert not searches.done()
    searches.cancel()
    assert [names for names in found if names != set(FILES)] == []


async def test_the_background_of_a_model_is_sampled_once_for_each_size(before: RunContext) -> None:
    await ingest(before)
    context, name = before, before.space.index.serving(before.space.project)["text"]
    asked: list[int] = []

    async def encode(_: RunContext, __: str, texts: Sequence[str]) -> list[EncodedQuery]:
        asked.append(len(texts))
        return [EncodedQuery([number / 100, 1.0] + [0.0] * 6) for number, _ in enumerate(texts)]

    lines = await background_lines(context, "text", "stub-embedder", name, encode)
    assert await background_lines(context, "text", "stub-embedder", name, encode) == lines
    assert len(asked) == 1
    assert context.space.platform.background[name, "text"][0] == 2
