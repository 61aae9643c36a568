"""Verify and repair: every corruption is found, and repaired where the object can be restored or computed again."""

import random
from pathlib import Path

import pytest

from flows.care.rebuild_index import rebuild_index
from flows.care.repair import repair_project
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.search import find
from gateway.cli.uploads import upload
from storage.bucket import Bucket
from storage.care.inspection import Problem
from storage.care.mentions import outputs_of
from storage.care.object_store import FolderStore
from storage.errors import RecordCorrupt
from storage.names import blob_key
from storage.recipes import RecipeRecord

CORRUPTIONS = 100
SEED = 20261124
WORDS = ("river", "market", "heron", "bicycle", "lantern", "harbour", "winter", "orchard")


@pytest.fixture(scope="module")
async def small(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """A small project. Each test leaves it intact."""
    return await fill(local_context(platform.space("verified")), tmp_path_factory.mktemp("small"), texts=6, pictures=2)


async def fill(context: RunContext, folder: Path, *, texts: int, pictures: int) -> RunContext:
    """Ingest small texts and pictures; each has a record, a vector and its recipe, a picture another of its text."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    rng = random.Random(SEED)
    for number in range(texts):
        words = " ".join(rng.choices(WORDS, k=12))
        (folder / f"note-{number}.txt").write_text(f"Note {number} tells of the {words}.\n", encoding="utf-8")
    for number in range(pictures):
        Image.effect_noise((32, 32), 10 + number).convert("RGB").save(folder / f"tile-{number}.png")
    keys = upload(context.space.platform.bucket, sorted(folder.iterdir()))
    report = await ingest_files(context, list(keys), ("batch",))
    assert {item.status for item in report.items} == {"stored"}
    return context


async def hits(context: RunContext) -> list[set[str]]:
    """Return what searches find, as sets: a recomputed vector can differ in its last bits, which changes the order."""
    questions = ("a heron by the river", "grey noise")
    found = [await find(context, Query(words=words, limit=200, project=context.space.project)) for words in questions]
    return [{hit.artifact for hit in report.hits} for report in found]


async def test_an_intact_project_has_no_problem(small: RunContext) -> None:
    report = await verify_project(small, Inspection())
    assert report.findings == []
    assert (report.records, report.recipes) == (8, 8 + 2)


async def test_a_hundred_corruptions_are_found_and_repaired_where_they_can_be(
    context: RunContext, tmp_path: Path
) -> None:
    filled = await fill(context, tmp_path / "files", texts=50, pictures=12)
    space, bucket = filled.space, filled.space.platform.bucket
    before = await hits(filled)
    recipes = {record.recipe.key: record for record in space.recipes.read_all()[0]}
    originals = {record.artifact.sha256: space.store.get(record.artifact) for record in space.records.all()}
    damaged = _corrupt(bucket, space.project, recipes, random.Random(SEED))

    found = {
        finding.problem.subject: finding.problem for finding in (await verify_project(filled, Inspection())).findings
    }
    missed = {subject: how for subject, how in damaged.items() if not _reports(found.get(subject), how)}
    assert missed == {}

    report = await repair_project(filled, Inspection())
    mended = {finding.problem.subject for finding in report.findings if finding.mended}
    lost = {subject for subject in damaged if not _is_repairable(subject, damaged, originals, recipes)}
    assert {subject for subject in damaged if subject not in mended} == lost
    assert all(finding.reason for finding in report.findings if not finding.mended)
    assert lost & set(originals)

    backup = FolderStore(tmp_path / "backup")
    for sha256, data in originals.items():
        backup.put(blob_key(space.project, sha256), data, media_type="")
    assert (await repair_project(filled, Inspection(), backup)).open == 0
    assert (await verify_project(filled, Inspection())).findings == []
    assert await hits(filled) == before
    kept = [item.key for item in bucket.objects("quarantine/broken/") if space.project in item.key]
    flipped_or_cut = sum(how in ("flipped", "cut") for how in damaged.values())
    assert len([key for key in kept if not key.endswith(".json.json")]) >= flipped_or_cut


async def test_lost_records_are_restored_as_they_were(small: RunContext) -> None:
    space, bucket = small.space, small.space.platform.bucket
    records = list(space.records.all())
    space.labels.change(records[2].artifact.sha256, add=["later"])
    keys = [f"{space.project}/artifacts/{record.artifact.sha256}.json" for record in records]
    bucket.remove(keys[0])
    bucket.put(keys[1], b'{"artifact": {"sha')
    bucket.put(keys[2], b"")
    report = await verify_project(small, Inspection())
    assert {finding.problem.kind for finding in report.findings} >= {"missing-record", "broken-record"}
    assert (await repair_project(small, Inspection())).open == 0
    again = {record.artifact.sha256: record for record in space.records.all()}
    assert [again[record.artifact.sha256] for record in records[:2]] == records[:2]
    assert space.labels.of(again[records[2].artifact.sha256]) == ("batch", "later")


async def test_unreadable_labels_are_restored_and_other_references_are_reported(small: RunContext) -> None:
    space, bucket = small.space, small.space.platform.bucket
    record = next(iter(space.records.all()))
    labels = update_labels(space, record.artifact.sha256, add=["kept"])
    space.refs.update("collection", lambda _: [1])
    bucket.put(f"{space.project}/refs/labels/{record.artifact.sha256}.json", b"{")
    bucket.put(f"{space.project}/refs/collection.json", b"[]")
    with pytest.raises(RecordCorrupt, match="verify --repair"):
        space.labels.of(record)
    report = await repair_project(small, Inspection())
    repaired = {finding.problem.subject: finding.mended for finding in report.findings}
    assert repaired == {f"labels/{record.artifact.sha256}": True, "collection": False}
    assert space.labels.of(record) == labels
    assert (await verify_project(small, Inspection())).findings == []


async def test_a_rebuild_indexes_the_rest_when_the_bytes_of_one_artifact_are_lost(small: RunContext) -> None:
    space = small.space
    record = next(record for record in space.records.all() if record.kind == "text")
    data = space.store.get(record.artifact)
    space.platform.bucket.remove(blob_key(space.project, record.artifact.sha256))
    report = await rebuild_index(small)
    assert (report.artifacts, list(report.failures)) == (7, [record.artifact.sha256])
    space.store.put(data, record.artifact.media_type)
    assert (await rebuild_index(small)).artifacts == 8


async def test_an_index_that_differs_from_the_bucket_is_found_and_repaired(small: RunContext) -> None:
    space = small.space
    before = await hits(small)
    first, second, third = (record.artifact.sha256 for record in list(space.records.all())[:3])
    space.index.set_labels(space.project, first, ["wrong"])
    space.library.set_labels(space.project, first, ["wrong"])
    space.index.remove(space.project, [second])
    space.library.remove(space.project, [third])
    report = await verify_project(small, Inspection(quick=True))
    assert {(finding.problem.kind, finding.problem.subject) for finding in report.findings} == {
        ("wrong-parts", first),
        ("wrong-row", first),
        ("wrong-parts", second),
        ("wrong-row", third),
    }
    assert (await repair_project(small, Inspection(quick=True))).open == 0
    assert await hits(small) == before


def _corrupt(bucket: Bucket, project: str, recipes: dict[str, RecipeRecord], rng: random.Random) -> dict[str, str]:
    """Damage a hundred objects; return the kind of damage by the id of the artifact or recipe.

    Of a recipe and its vector at most one is damaged: without both, nothing refers to the vector any more.
    """
    partner = {sha256: key for key, record in recipes.items() for sha256 in outputs_of(record)}
    partner |= {key: sha256 for sha256, key in partner.items()}
    objects = [item.key for folder in ("blobs", "recipes") for item in bucket.objects(f"{project}/{folder}/")]
    rng.shuffle(objects)
    damaged: dict[str, str] = {}
    for key in objects:
        data, name = bucket.get(key), key.rsplit("/", 1)[-1].removesuffix(".json")
        if partner.get(name) in damaged or len(damaged) == CORRUPTIONS:
            continue
        damaged[name] = "cut" if name in recipes else rng.choice(["flipped", "removed"])
        if damaged[name] == "cut":
            bucket.put(key, data[: rng.randrange(len(data))])
        elif damaged[name] == "flipped":
            offset = rng.randrange(len(data))
            bucket.put(key, data[:offset] + bytes([data[offset] ^ (1 << rng.randrange(8))]) + data[offset + 1 :])
        else:
            bucket.remove(key)
    assert len(damaged) == CORRUPTIONS
    return damaged


def _reports(problem: Problem | None, how: str) -> bool:
    kinds = {"cut": "broken-recipe", "flipped": "changed-blob", "removed": "missing-blob"}
    return problem is not None and problem.kind == kinds[how]


def _is_repairable(
    subject: str, damaged: dict[str, str], originals: dict[str, bytes], recipes: dict[str, RecipeRecord]
) -> bool:
    """Whether a repair can restore an object: not an original, but a vector whose input is intact."""
    if subject in originals:
        return False
    maker = next((record for record in recipes.values() if subject in outputs_of(record)), None)
    return maker is None or not any(one in damaged for one in maker.recipe.inputs)
