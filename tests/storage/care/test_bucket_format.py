"""The format version of a bucket: a newer one is refused, an older one is migrated."""

import json
from collections.abc import Callable
from hashlib import sha256

import pytest

from storage.artifacts import Artifact
from storage.bucket import Bucket
from storage.care.bucket_format import FORMAT, WrongFormat, check_format, migrate, read_format
from storage.labels import Labels
from storage.records import ArtifactRecord, Records


def keep(bucket: Bucket, *labels: str) -> ArtifactRecord:
    artifact = Artifact(sha256=sha256(repr(labels).encode()).hexdigest(), media_type="text/plain", size=1)
    record = ArtifactRecord(artifact=artifact, project="old", name="a.txt", labels=labels)
    return Records(bucket, "old").add(record)[0]


def test_a_new_bucket_gets_the_current_format(new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    assert read_format(bucket) is None
    check_format(bucket)
    assert migrate(bucket) is None
    assert read_format(bucket) == FORMAT
    assert migrate(bucket) == FORMAT


def test_a_newer_format_is_refused_and_not_changed(new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    bucket.put("format.json", b'{"version": 99}')
    with pytest.raises(WrongFormat, match=r"The bucket has format 99, .*: use a newer Triptych\."):
        check_format(bucket)
    with pytest.raises(WrongFormat):
        migrate(bucket)
    assert json.loads(bucket.get("format.json")) == {"version": 99}


def test_an_unreadable_format_is_refused(new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    bucket.put("format.json", b"{")
    with pytest.raises(WrongFormat, match="restore it from a backup"):
        migrate(bucket)


def test_a_migration_makes_invalid_labels_valid(new_bucket: Callable[[], Bucket]) -> None:
    bucket, told = new_bucket(), []
    old = keep(bucket, " summer, 2026\n", "fine", "x" * 80, ",")
    fine = keep(bucket, "fine")
    with pytest.raises(WrongFormat, match="run `triptych migrate`"):
        check_format(bucket)
    assert migrate(bucket, told.append) == 0
    assert told == ["bringing the bucket from format 0 to 1"]
    assert Labels(bucket, "old").of(old) == ("fine", "summer 2026", "x" * 64)
    assert Labels(bucket, "old").of(fine) == ("fine",)
    check_format(bucket)


def test_an_interrupted_migration_is_repeated(new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    old = keep(bucket, "a,b")

    class PowerCut(Exception):
        pass

    def cut(sentence: str) -> None:
        raise PowerCut

    with pytest.raises(PowerCut):
        migrate(bucket, cut)
    assert read_format(bucket) == 0
    assert migrate(bucket) == 0
    assert Labels(bucket, "old").of(old) == ("a b",)
