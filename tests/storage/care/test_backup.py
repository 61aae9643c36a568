"""Backup and restore: incremental, verified, and consistent after an interruption."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.care.backup import back_up, restore_backup
from storage.care.bucket_format import WrongFormat, migrate
from storage.care.inspection import check_integrity
from storage.care.object_store import FolderStore, ObjectStore
from storage.care.tombstones import Tombstone, Tombstones
from storage.errors import StorageUnavailable
from storage.labels import Labels
from storage.names import INTERACTIONS, blob_key
from storage.objects import Readable
from storage.recipes import Recipe, RecipeRecord, RecipeStore
from storage.records import ArtifactRecord, Records

FILES = 12


@pytest.fixture
def source(new_bucket: Callable[[], Bucket]) -> Bucket:
    """A bucket with two projects, a cached result, a label, and an inbox file and an upload in progress."""
    bucket = new_bucket()
    migrate(bucket)
    for project in ("alpha", "beta"):
        for number in range(FILES):
            keep(bucket, project, f"{project} {number}".encode())
    store = ArtifactStore(bucket, "alpha")
    answer = store.put(b"vector", "application/x-vector")
    recipe = Recipe(operator="shout", version="1", weights="none", request={})
    result = {"vector": answer.model_dump()}
    RecipeStore(bucket, "alpha").add(RecipeRecord(recipe=recipe, result=result, outputs=(answer.sha256,)))
    Labels(bucket, "alpha").change(next(Records(bucket, "alpha").all()).artifact.sha256, add=["hold"])
    for key in (
        "inbox/new.txt",
        "tmp/upload",
        f"{INTERACTIONS}alpha/ada.json",
        "quarantine/bad.txt",
        "models/icons/1/model.bin",
    ):
        bucket.put(key, b"12345")
    return bucket


@pytest.fixture(params=["folder", "bucket"])
def target(request: pytest.FixtureRequest, new_bucket: Callable[[], Bucket], tmp_path: Path) -> ObjectStore:
    """An empty object store of either kind."""
    return FolderStore(tmp_path / "backup") if request.param == "folder" else new_bucket()


def keep(bucket: Bucket, project: str, data: bytes) -> ArtifactRecord:
    artifact = ArtifactStore(bucket, project).put(data, "text/plain")
    return Records(bucket, project).add(ArtifactRecord(artifact=artifact, project=project, name="a.txt"))[0]


def contents(place: ObjectStore) -> dict[str, bytes]:
    return {found.key: place.get(found.key) for found in place.objects("")}


class CutOff:
    """An object store that fails after some writes."""

    def __init__(self, place: ObjectStore, after: int) -> None:
        self._place, self._left = place, after

    def put(self, key: str, data: bytes | Readable, *, media_type: str) -> None:
        if self._left == 0:
            raise StorageUnavailable("The power went out.")
        self._left -= 1
        self._place.put(key, data, media_type=media_type)

    def objects(self, prefix: str) -> Iterator[object]:
        return self._place.objects(prefix)  # pyright: ignore[reportReturnType]

    def __getattr__(self, name: str) -> object:
        return getattr(self._place, name)


def test_a_backup_holds_everything_but_inbox_files_and_uploads(source: Bucket, target: ObjectStore) -> None:
    report = back_up(source, target)
    kept = {key: data for key, data in contents(source).items() if not key.startswith(("inbox/", "tmp/", INTERACTIONS))}
    assert contents(target) == kept
    assert (report.copied, report.problems) == (len(kept) - 1, [])
    assert check_integrity(target, "alpha")[1] == []


def test_a_second_backup_copies_only_what_is_new_or_changed(source: Bucket, target: ObjectStore) -> None:
    back_up(source, target)
    assert back_up(source, target).copied == 0
    record = keep(source, "alpha", b"one more")
    Labels(source, "alpha").change(record.artifact.sha256, add=["red"])
    assert back_up(source, target).copied == 3
    Labels(source, "alpha").change(record.artifact.sha256, add=["ref"], remove=["red"])
    assert back_up(source, target).copied == 1


@pytest.mark.parametrize("after", [1, 25, 40, 53])
def test_an_interrupted_backup_holds_no_record_without_its_bytes_and_can_be_continued(
    source: Bucket, target: ObjectStore, after: int
) -> None:
    with pytest.raises(StorageUnavailable):
        back_up(source, CutOff(target, after))  # pyright: ignore[reportArgumentType]
    for project in ("alpha", "beta"):
        assert [problem for problem in check_integrity(target, project)[1] if problem.kind == "missing-blob"] == []
    report = back_up(source, target)
    assert report.unchanged >= after - 1  # the format itself does not count
    kept = {key: data for key, data in contents(source).items() if not key.startswith(("inbox/", "tmp/", INTERACTIONS))}
    assert contents(target) == kept


def test_corrupt_blobs_are_reported_and_not_backed_up(source: Bucket, target: ObjectStore) -> None:
    record = keep(source, "alpha", b"original")
    source.put(blob_key("alpha", record.artifact.sha256), b"0riginal")
    report = back_up(source, target)
    assert [record.artifact.sha256 in problem for problem in report.problems] == [True]
    assert list(target.objects(blob_key("alpha", record.artifact.sha256))) == []


def test_a_restore_gives_what_was_backed_up(
    source: Bucket, target: ObjectStore, new_bucket: Callable[[], Bucket]
) -> None:
    back_up(source, target)
    empty = new_bucket()
    assert restore_backup(target, empty).problems == []
    assert contents(empty) == contents(target)
    record = next(Records(empty, "alpha").all())
    assert ArtifactStore(empty, "alpha").find(record.artifact.sha256) == record.artifact
    assert Labels(empty, "alpha").of(record) == ("hold",)
    assert restore_backup(target, empty).copied == 0


def test_a_restore_overwrites_nothing(source: Bucket, target: ObjectStore) -> None:
    back_up(source, target)
    record = next(Records(source, "alpha").all())
    labels = Labels(source, "alpha").change(record.artifact.sha256, add=["newer"])
    source.remove(blob_key("alpha", record.artifact.sha256))
    assert restore_backup(target, source).copied == 1
    assert Labels(source, "alpha").of(record) == labels
    assert ArtifactStore(source, "alpha").get(record.artifact)


def test_artifacts_removed_on_purpose_are_not_restored(source: Bucket, target: ObjectStore) -> None:
    back_up(source, target)
    gone, again = list(Records(source, "alpha").all())[1:3]
    for record, when in ((gone, datetime.now(UTC)), (again, record_time(again) - timedelta(days=1))):
        told = {"artifact": record.artifact.sha256, "name": "a", "media_type": "text/plain", "labels": ()}
        Tombstones(source, "alpha").add(Tombstone(**told, reason="a rule", removed=when))
        source.remove(f"alpha/artifacts/{record.artifact.sha256}.json")
    report = restore_backup(target, source)
    assert report.removed == 1
    assert Records(source, "alpha").find(gone.artifact.sha256) is None
    assert Records(source, "alpha").find(again.artifact.sha256) == again


def record_time(record: ArtifactRecord) -> datetime:
    return record.created


def test_a_backup_of_a_newer_format_is_refused(source: Bucket, target: ObjectStore) -> None:
    target.put("format.json", b'{"version": 99}', media_type="application/json")
    with pytest.raises(WrongFormat):
        back_up(source, target)
    with pytest.raises(WrongFormat):
        restore_backup(target, source)


@pytest.mark.parametrize("key", ["quarantine/../../../up", "quarantine//a", "quarantine/./%2E", "quarantine/%/%25"])
def test_no_key_is_written_outside_the_folder(tmp_path: Path, key: str) -> None:
    folder = FolderStore(tmp_path / "backup")
    folder.put(key, b"x", media_type="text/plain")
    assert [found.key for found in folder.objects("")] == [key]
    assert folder.get(key) == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]
