"""Retention: expired artifacts are removed with everything derived from them; artifacts on hold stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.care.rebuild_index import rebuild_index
from flows.care.retain import (
    Expired,
    RetainReport,
    WrongRules,
    _Inventory,
    _still_expired,
    apply_retention,
    read_rules,
)
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.library.trash import OnHold, move_to_trash, take_out_of_trash
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.running.settings import Settings
from flows.search import find
from storage.care.garbage import mark_and_sweep
from storage.care.tombstones import Tombstones
from storage.labels import HOLD, TRASH
from storage.recipes import Recipe, RecipeRecord
from tests.flows.conftest import upload_files

LATER = datetime.now(UTC) + timedelta(days=40)
RULES = "days:\n  temporary: 30\n  archived: 365\n"


@pytest.fixture
def context(new_platform: Callable[..., Platform], project: str, tmp_path: Path) -> RunContext:
    """A run context with rules and a bucket of the test's own: its sweep deletes the uploads of every project."""
    (tmp_path / "retention.yaml").write_text(RULES, encoding="utf-8")
    return local_context(new_platform(retention_config=tmp_path / "retention.yaml").space(project))


@pytest.fixture
def send(context: RunContext) -> Callable[..., list[str]]:
    """A function that uploads files to tmp/ of that bucket."""
    return lambda files: upload_files(context.space.platform.bucket, files)


async def names(context: RunContext) -> set[str]:
    report = await find(context, Query(words="anything", limit=100, project=context.space.project))
    return {hit.name for hit in report.hits}


async def expired(context: RunContext, now: datetime = LATER, *, delete: bool = False) -> tuple[RetainReport, set[str]]:
    report = await apply_retention(context, delete=delete, now=now)
    return report, {item.name for item in report.expired}


async def test_expired_artifacts_are_removed_with_what_derives_from_them_and_the_rest_stays(
    context: RunContext, send: Callable[..., list[str]], samples: Path
) -> None:
    space = context.space
    files = ("weather.wav", "autumn-market.txt", "herbstmarkt.md", "luggage.jpg", "white-stove.jpg")
    items = (await ingest_files(context, send([samples / name for name in files]), ("temporary",))).items
    ids = {item.path: item.artifact or "" for item in items}
    update_labels(space, ids["herbstmarkt.md"], add=[HOLD])
    update_labels(space, ids["luggage.jpg"], add=["archived"])
    update_labels(space, ids["white-stove.jpg"], remove=["temporary"])

    assert (await expired(context, datetime.now(UTC)))[1] == set()
    report, over = await expired(context)
    assert over == {"weather.wav", "weather.wav.transcript.json", "autumn-market.txt"}
    assert (report.held, report.dry_run) == (1, True)
    assert await names(context) == set(files)

    assert (await expired(context, delete=True))[1] == over
    assert await names(context) == {"herbstmarkt.md", "luggage.jpg", "white-stove.jpg"}
    assert {record.name for record in space.records.all()} == await names(context)
    assert {row.name for row in space.library.page(space.project).rows} == await names(context)
    assert (await verify_project(context, Inspection())).findings == []
    tombstone = Tombstones(space.platform.bucket, space.project).find(ids["weather.wav"])
    assert tombstone is not None
    assert (tombstone.name, tombstone.labels, tombstone.reason) == ("weather.wav", ("temporary",), "temporary, 30 days")
    assert (await expired(context, delete=True))[1] == set()

    for _ in range(2):
        mark_and_sweep(space.platform.bucket, space.project, grace=timedelta(0), delete=True)
    assert not space.store.exists(ids["weather.wav"])
    assert space.store.exists(ids["herbstmarkt.md"])
    words = b"bring apples"
    kept = [found.key for found in space.platform.bucket.objects(f"{space.project}/recipes/")]
    assert not any(words in space.platform.bucket.get(key) for key in kept)


async def test_a_file_that_was_removed_can_be_ingested_again(
    context: RunContext, send: Callable[..., list[str]], samples: Path
) -> None:
    def files() -> list[str]:
        return send([samples / "autumn-market.txt"])

    await ingest_files(context, files(), ("temporary",))
    await expired(context, delete=True)
    assert await names(context) == set()
    assert (await ingest_files(context, files())).items[0].status == "stored"
    assert await names(context) == {"autumn-market.txt"}
    assert (await expired(context))[1] == set()


async def test_deleted_artifacts_leave_lists_and_searches_and_can_be_brought_back(
    context: RunContext, send: Callable[..., list[str]], samples: Path
) -> None:
    space = context.space
    market, cat = [
        item.artifact or ""
        for item in (await ingest_files(context, send([samples / "autumn-market.txt", samples / "luggage.jpg"]))).items
    ]
    until = move_to_trash(space, market, "ada")
    move_to_trash(space, cat, "ada")
    assert move_to_trash(space, market, "bob") == until  # the first time counts
    assert await names(context) == set()
    assert space.library.page(space.project).rows == []
    assert TRASH not in space.library.labels(space.project)
    assert {row.artifact for row in space.library.page(space.project, labels=[TRASH]).rows} == {market, cat}
    assert (await verify_project(context, Inspection())).findings == []
    await rebuild_index(context)
    assert await names(context) == set()

    assert take_out_of_trash(space, cat)
    assert not take_out_of_trash(space, cat)
    assert await names(context) == {"luggage.jpg"}
    assert (await expired(context, until - timedelta(minutes=1)))[1] == set()
    update_labels(space, cat, add=[HOLD])
    with pytest.raises(OnHold):
        move_to_trash(space, cat, "ada")
    # The same file again, while it is in the trash, takes it out.
    assert (await ingest_files(context, send([samples / "autumn-market.txt"]))).items[0].status == "duplicate"
    assert await names(context) == {"luggage.jpg", "autumn-market.txt"}
    move_to_trash(space, market, "ada")
    report, over = await expired(context, datetime.now(UTC) + timedelta(days=31), delete=True)
    assert over == {"autumn-market.txt"}
    assert report.expired[0].rule == "deleted, 30 days"
    assert space.records.find(market) is None


async def test_what_repeats_the_removed_goes_with_it_and_a_late_hold_keeps(
    context: RunContext, send: Callable[..., list[str]], samples: Path
) -> None:
    space = context.space
    files = [samples / "autumn-market.txt", samples / "luggage.jpg"]
    market, luggage = [i.artifact or "" for i in (await ingest_files(context, send(files), ("temporary",))).items]
    text = (samples / "autumn-market.txt").read_text(encoding="utf-8")
    sentence = text.split(".")[0] + "."

    def add(operator: str, request: dict[str, object]) -> str:
        recipe = Recipe(operator=operator, version="1", weights="w", request=request, inputs=())
        return space.recipes.add(RecipeRecord(recipe=recipe, result={}, outputs=(), seconds=1)).recipe.key

    repeating = {
        add("translation:Translate", {"lines": [{"text": sentence}], "target": "de"}),
        add("text_encoder:EmbedText", {"model": "another", "text": text, "role": "passage"}),
    }
    other = add("translation:Translate", {"lines": [{"text": "Nothing that was ever stored."}], "target": "de"})
    rules = read_rules(space.platform.settings.retention_config)
    records = {record.artifact.sha256: record for record in space.records.all()}
    inventory = _Inventory(records, space.labels.of_many(list(records.values())))
    items = [Expired(artifact=each, name="x", rule="temporary, 30 days") for each in (market, luggage)]
    update_labels(space, luggage, add=[HOLD])  # after the labels were read
    assert [item.artifact for item in _still_expired(space, inventory, items, rules, LATER)] == [market]

    await expired(context, delete=True)
    keys = {
        found.key.rpartition("/")[2].removesuffix(".json")
        for found in space.platform.bucket.objects(f"{space.project}/recipes/")
    }
    assert keys & repeating == set()
    assert other in keys
    assert {record.name for record in space.records.all()} == {"luggage.jpg"}


@pytest.mark.parametrize("rules", ["days: {hold: 3}", "days: {old: 0}", "days: [", "weeks: {}", "days: {' x': 3}"])
def test_invalid_rules_are_refused(tmp_path: Path, rules: str) -> None:
    (tmp_path / "rules.yaml").write_text(rules, encoding="utf-8")
    with pytest.raises(WrongRules):
        read_rules(tmp_path / "rules.yaml")


def test_the_default_rules_remove_nothing(settings: Settings) -> None:
    assert read_rules(settings.retention_config).days == {}
