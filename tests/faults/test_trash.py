"""Removal: the trash with undo, and retention that looks again and finds what repeats the removed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.care.rebuild_index import rebuild_index
from flows.care.retain import Expired, _Inventory, _still_expired, apply_retention, read_rules
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.library.trash import OnHold, move_to_trash, take_out_of_trash, trashed_since
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from gateway.cli.uploads import known_files
from gateway.errors import NotFound
from gateway.http.artifacts import thumbnail_file
from storage.care.garbage import mark_and_sweep
from storage.errors import ArtifactNotFound
from storage.index.word_query import ParsedQuery, word_query
from storage.labels import HOLD, TRASH
from storage.recipes import Recipe, RecipeRecord
from tests.faults.conftest import picture
from tests.faults.stub_models import write_catalogue

TEXT = "The market is full of pumpkins in autumn. Everybody buys apples there before the first frost comes."
LATER = datetime.now(UTC) + timedelta(days=40)


@pytest.fixture
def context(new_platform: Callable[..., Platform], project: str, tmp_path: Path) -> RunContext:
    """A run context with a bucket of the test's own: its sweep deletes the uploads of every project."""
    rules = tmp_path / "retention.yaml"
    rules.write_text("days:\n  temporary: 30\n", encoding="utf-8")
    config = write_catalogue(tmp_path)
    platform = new_platform(models_config=config, cache_dir=tmp_path / "cache", retention_config=rules)
    return local_context(platform.space(project))


@pytest.fixture
def ingest(context: RunContext) -> Callable[..., object]:
    async def run(*labels: str) -> list[str]:
        bucket, project = context.space.platform.bucket, context.space.project
        files = {"market.txt": TEXT.encode(), "picture.png": picture(5, 40)}
        for name, data in files.items():
            bucket.put(f"tmp/{project}/{name}", data)
        report = await ingest_files(context, [f"tmp/{project}/{name}" for name in files], labels)
        return [str(item.artifact) for item in report.items]

    return run


def found(context: RunContext) -> set[str]:
    words = word_query(ParsedQuery(wanted="market"), "market")
    hits = context.space.index.search(context.space.project, vectors={}, words=words).hits
    return {hit.artifact for hit in hits}


def listed(context: RunContext, *labels: str) -> set[str]:
    return {row.artifact for row in context.space.library.page(context.space.project, labels=labels).rows}


async def test_deleted_artifacts_leave_lists_and_searches_and_can_be_brought_back(
    context: RunContext, ingest: Callable[..., object]
) -> None:
    space = context.space
    market, photo = await ingest()  # type: ignore[misc]
    assert found(context) == {market}
    until = move_to_trash(space, market, "ada")
    move_to_trash(space, photo, "ada")
    assert move_to_trash(space, market, "bob") == until  # the first time counts
    assert (found(context), listed(context)) == (set(), set())
    assert TRASH not in space.library.labels(space.project)
    assert listed(context, TRASH) == {market, photo}
    assert (await verify_project(context, Inspection())).findings == []
    await rebuild_index(context)
    assert (found(context), listed(context)) == (set(), set())

    assert trashed_since(space, photo) is not None
    assert take_out_of_trash(space, photo)
    assert trashed_since(space, photo) is None
    assert f"trash/{photo}" in space.refs.names("trash")  # emptied: workers and gateway may not delete it
    assert not take_out_of_trash(space, photo)
    assert listed(context) == {photo}
    update_labels(space, photo, add=[HOLD])
    with pytest.raises(OnHold):
        move_to_trash(space, photo, "ada")
    await ingest()  # type: ignore[misc]  # the same file again takes it out
    assert (found(context), listed(context)) == ({market}, {market, photo})

    until = move_to_trash(space, market, "ada")
    assert (await apply_retention(context, delete=True, now=until - timedelta(minutes=1))).expired == []
    report = await apply_retention(context, delete=True, now=until)
    assert [(item.artifact, item.rule) for item in report.expired] == [(market, "deleted, 30 days")]
    assert space.records.find(market) is None


async def test_the_command_line_sends_a_file_again_that_is_in_the_trash(
    context: RunContext, ingest: Callable[..., object], tmp_path: Path
) -> None:
    market, _ = await ingest()  # type: ignore[misc]
    file = tmp_path / "market.txt"
    file.write_text(TEXT, encoding="utf-8")
    assert known_files(context.space, [file])[file]["artifact"] == market
    move_to_trash(context.space, market, "ada")
    assert known_files(context.space, [file]) == {}


async def test_an_artifact_that_comes_again_after_its_removal_is_not_removed_at_once(
    context: RunContext, ingest: Callable[..., object]
) -> None:
    space = context.space
    market, _ = await ingest()  # type: ignore[misc]
    until = move_to_trash(space, market, "ada")
    await apply_retention(context, delete=True, now=until)
    await ingest()  # type: ignore[misc]
    update_labels(space, market, add=[TRASH])
    assert trashed_since(space, market) is None
    assert (await apply_retention(context, delete=True, now=until)).expired == []


async def test_thumbnails_go_with_their_artifact(context: RunContext, ingest: Callable[..., object]) -> None:
    space = context.space
    market, photo = await ingest()  # type: ignore[misc]
    shown = [
        thumbnail_file(space, identity, side) for identity, side in ((photo, 128), (photo, 256), (photo[:12], 128))
    ]
    assert shown[0] == shown[2]
    until = move_to_trash(space, photo, "ada")
    await apply_retention(context, delete=True, now=until)
    assert [path for path in shown if path.exists()] == []
    # A gateway on another machine has its own cache.
    shown[0].write_bytes(b"a thumbnail")
    for _ in range(2):
        mark_and_sweep(space.platform.bucket, space.project, grace=timedelta(0), delete=True)
    for identity in (photo, "*", market[:8]):
        with suppress(NotFound, ArtifactNotFound):
            thumbnail_file(space, identity, 128)
            raise AssertionError(f"{identity} has a thumbnail")
    assert not shown[0].exists()


async def test_what_repeats_the_removed_goes_with_it_and_a_late_hold_keeps(
    context: RunContext, ingest: Callable[..., object]
) -> None:
    space = context.space
    market, photo = await ingest("temporary")  # type: ignore[misc]

    def add(operator: str, request: dict[str, object]) -> str:
        recipe = Recipe(operator=operator, version="1", weights="w", request=request, inputs=())
        return space.recipes.add(RecipeRecord(recipe=recipe, result={}, outputs=(), seconds=1)).recipe.key

    repeating = {
        add("translation:Translate", {"lines": [{"text": TEXT.partition(".")[0]}], "target": "de"}),
        add("text_encoder:EmbedText", {"model": "another", "text": TEXT, "role": "passage"}),
        add("translation:Translate", {"text": f"A letter. {TEXT} Yours, Ada.", "target": "de"}),
    }
    other = add("translation:Translate", {"lines": [{"text": "Nothing that was ever stored here."}], "target": "de"})
    rules = read_rules(space.platform.settings.retention_config)
    records = {record.artifact.sha256: record for record in space.records.all()}
    inventory = _Inventory(records, space.labels.of_many(list(records.values()))[0])
    items = [Expired(artifact=each, name="x", rule="temporary, 30 days") for each in (market, photo)]
    update_labels(space, photo, add=[HOLD])  # after the labels were read
    assert [item.artifact for item in _still_expired(space, inventory, items, rules, LATER, {})] == [market]

    await apply_retention(context, delete=True, now=LATER)
    prefix = f"{space.project}/recipes/"
    keys = {each.key.removeprefix(prefix).removesuffix(".json") for each in space.platform.bucket.objects(prefix)}
    assert keys & repeating == set()
    assert other in keys
    assert set(records) - {record.artifact.sha256 for record in space.records.all()} == {market}
