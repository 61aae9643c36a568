"""Retention: expired artifacts are removed with everything derived from them; artifacts on hold stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.care.retain import RetainReport, WrongRules, apply_retention, read_rules
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.running.settings import Settings
from flows.search import find
from storage.care.garbage import mark_and_sweep
from storage.care.tombstones import Tombstones
from storage.labels import HOLD
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
    """The names of all that a search can find, however improbable."""
    everything = Query(words="anything", at_least=0.0, limit=100, project=context.space.project)
    report = await find(context, everything)
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


@pytest.mark.parametrize("rules", ["days: {hold: 3}", "days: {old: 0}", "days: [", "weeks: {}", "days: {' x': 3}"])
def test_invalid_rules_are_refused(tmp_path: Path, rules: str) -> None:
    (tmp_path / "rules.yaml").write_text(rules, encoding="utf-8")
    with pytest.raises(WrongRules):
        read_rules(tmp_path / "rules.yaml")


def test_the_default_rules_remove_nothing(settings: Settings) -> None:
    assert read_rules(settings.retention_config).days == {}
