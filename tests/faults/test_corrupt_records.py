"""A record or reference that cannot be read is reported and passed over: the others of the project are cared for."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.care.rebuild_index import rebuild_index
from flows.care.repair import repair_project
from flows.care.retain import apply_retention
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.library.trash import move_to_trash
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from gateway.tokens import Tokens
from storage.bucket import Bucket
from tests.faults.conftest import picture
from tests.faults.stub_models import write_catalogue

FILES = {"market.txt": b"The market is full of pumpkins.", "note.txt": b"A note.", "one.png": picture(1, 40)}
LATER = datetime.now(UTC) + timedelta(days=40)


@pytest.fixture
def context(new_platform: Callable[..., Platform], project: str, tmp_path: Path) -> RunContext:
    rules = tmp_path / "retention.yaml"
    rules.write_text("days:\n  temporary: 30\n", encoding="utf-8")
    platform = new_platform(models_config=write_catalogue(tmp_path), retention_config=rules)
    return local_context(platform.space(project))


@pytest.fixture
async def ids(context: RunContext) -> dict[str, str]:
    """The ids of the ingested files by their names."""
    for name, data in FILES.items():
        context.space.platform.bucket.put(f"tmp/{name}", data)
    report = await ingest_files(context, [f"tmp/{name}" for name in FILES], ("temporary",))
    return {item.path: str(item.artifact) for item in report.items}


def corrupt(context: RunContext, folder: str, name: str) -> str:
    """Truncate a record or recipe; return what the reports say about it."""
    key = f"{context.space.project}/{folder}/{name}.json"
    bucket = context.space.platform.bucket
    bucket.put(key, bucket.get(key)[:40])
    return f"{key} cannot be read: run `triptych verify --repair`."


async def test_a_rebuild_indexes_the_others_and_keeps_what_a_repair_restores_the_record_from(
    context: RunContext, ids: dict[str, str]
) -> None:
    before = context.space.index.counts(context.space.project)
    reason = corrupt(context, "artifacts", ids["note.txt"])
    report = await rebuild_index(context)
    assert (report.artifacts, report.failures) == (2, {ids["note.txt"]: reason})
    assert context.space.index.counts(context.space.project) == before
    assert (await repair_project(context, Inspection())).open == 0
    assert context.space.records.get(ids["note.txt"]).name == "note.txt"
    assert (await rebuild_index(context)).failures == {}


async def test_retention_removes_the_others_and_reports_records_and_recipes_that_cannot_be_read(
    context: RunContext, ids: dict[str, str]
) -> None:
    space = context.space
    recipes = [each.recipe for each in space.recipes.read_all()[0]]
    [of_note] = [recipe.key for recipe in recipes if recipe.request.get("text") == "A note."]
    reasons = {
        ids["note.txt"]: corrupt(context, "artifacts", ids["note.txt"]),
        of_note: corrupt(context, "recipes", of_note),
    }
    assert (await apply_retention(context, delete=False, now=LATER)).unreadable.keys() == {ids["note.txt"]}
    report = await apply_retention(context, delete=True, now=LATER)
    assert {item.name for item in report.expired} == {"market.txt", "one.png"}
    assert report.unreadable == reasons
    assert "2 records cannot be read" in str(report)
    assert space.records.read_all()[0] == []
    assert {row.name for row in space.library.all(space.project)} == {"note.txt"}
    findings = (await verify_project(context, Inspection())).findings
    assert [each.problem.kind for each in findings] == ["broken-record", "broken-recipe"]


@pytest.mark.parametrize("data", [b'{"value": ["hol', b'{"value": {"hold": 1}}', b'"hold"'])
async def test_labels_that_cannot_be_read_are_the_error_of_their_artifact(
    context: RunContext, ids: dict[str, str], data: bytes
) -> None:
    space, note = context.space, ids["note.txt"]
    for name in ("note.txt", "one.png"):
        update_labels(space, ids[name], add=["autumn"])
    before = space.index.counts(space.project)
    key = f"{space.project}/refs/labels/{note}.json"
    space.platform.bucket.put(key, data)
    reason = f"{key} cannot be read: run `triptych verify --repair`."
    findings = (await verify_project(context, Inspection())).findings
    assert [(each.problem.kind, each.problem.subject) for each in findings] == [("broken-reference", f"labels/{note}")]
    report = await rebuild_index(context)
    assert (report.artifacts, report.failures) == (2, {note: reason})
    assert space.index.counts(space.project) == before
    removed = await apply_retention(context, delete=True, now=LATER)
    assert ({item.name for item in removed.expired}, removed.unreadable) == ({"market.txt", "one.png"}, {note: reason})
    assert (await repair_project(context, Inspection())).open == 0
    assert space.labels.of(space.records.get(note)) == ("temporary", "autumn")
    assert {item.name for item in (await apply_retention(context, delete=True, now=LATER)).expired} == {"note.txt"}


async def test_a_deletion_time_or_tombstone_that_cannot_be_read_keeps_its_artifact_alone(
    context: RunContext, ids: dict[str, str]
) -> None:
    space = context.space
    keys = {f"trash/{ids['note.txt']}": ids["note.txt"], f"removed/{ids['one.png']}": ids["one.png"]}
    move_to_trash(space, ids["note.txt"], "somebody")
    for name in keys:
        space.platform.bucket.put(f"{space.project}/refs/{name}.json", b'{"value": {"artifa')
    report = await apply_retention(context, delete=True, now=LATER)
    assert ({item.name for item in report.expired}, report.unreadable.keys()) == ({"market.txt"}, set(keys.values()))
    problems = [each.problem for each in (await verify_project(context, Inspection())).findings]
    assert {each.subject for each in problems if each.kind == "broken-reference"} == set(keys)


def test_a_token_that_cannot_be_read_lets_nobody_in_and_the_others_do(bucket: Bucket, project: str) -> None:
    tokens = Tokens(bucket)
    broken, whole = (tokens.create(f"{name}-{project}", "viewer", project) for name in ("broken", "whole"))
    bucket.put(f"gateway/tokens/{hashlib.sha256(broken.encode()).hexdigest()}.json", b'{"name": "brok')
    assert tokens.find_person(broken) is None
    assert f"whole-{project}" in {person.name for person in tokens.list_people()}
    tokens.open_projects()
    person = tokens.find_person(whole)
    assert person
    assert person.project == project
    tokens.revoke(f"whole-{project}")
