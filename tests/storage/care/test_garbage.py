"""Garbage collection: named blobs stay, and a concurrent writer never loses bytes that it relies on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from storage.artifacts import Artifact, ArtifactStore
from storage.bucket import Bucket
from storage.care.garbage import GarbageReport, UnreadableReferences, mark_and_sweep
from storage.deletion_marks import DeletionMarks, MarkWithdrawn
from storage.labels import HOLD, Labels
from storage.recipes import Recipe, RecipeRecord, RecipeStore
from storage.records import ArtifactRecord, Records
from storage.refs import Refs

AT_ONCE = timedelta(0)
SOON = timedelta(hours=1)


@pytest.fixture(scope="module")
def bucket(new_bucket: Callable[[], Bucket]) -> Bucket:
    """A bucket of these tests' own: without a grace period a sweep deletes the uploads of every project."""
    return new_bucket()


def sweep(store: ArtifactStore, *, grace: timedelta = AT_ONCE, delete: bool = True, **given: Any) -> GarbageReport:
    return mark_and_sweep(given.pop("bucket", store.bucket), store.project, grace=grace, delete=delete, **given)


def record(store: ArtifactStore, artifact: Artifact, **given: Any) -> ArtifactRecord:
    told = ArtifactRecord(artifact=artifact, project=store.project, name="a.txt", **given)
    return Records(store.bucket, store.project).add(told)[0]


def test_named_blobs_stay_and_the_others_are_deleted_in_the_second_pass(store: ArtifactStore, bucket: Bucket) -> None:
    recorded, parent, answered, referred, running, lost = (
        store.put(name.encode(), "text/plain") for name in ("recorded", "parent", "answer", "ref", "running", "lost")
    )
    record(store, recorded, parents=(parent.sha256,))
    recipe = Recipe(operator="shout", version="1", weights="none", request={}, inputs=(lost.sha256,))
    RecipeStore(bucket, store.project).add(RecipeRecord(recipe=recipe, result={"said": answered.model_dump()}))
    Refs(bucket, store.project).update("collection", lambda _: {"chosen": [referred.sha256]})
    first = sweep(store, in_use={running.sha256})
    assert (first.condemned, first.removed) == (1, 0)
    assert store.exists(lost.sha256)
    second = sweep(store, in_use={running.sha256})
    assert (second.condemned, second.removed, second.removed_bytes) == (0, 1, len(b"lost"))
    assert not store.exists(lost.sha256)
    assert all(store.exists(kept.sha256) for kept in (recorded, parent, answered, referred, running))
    assert DeletionMarks(bucket, store.project).marked() == {}


def test_answers_about_an_upload_go_after_its_bytes_and_what_made_an_artifact_stays(
    store: ArtifactStore, bucket: Bucket
) -> None:
    upload, vector, picture = (store.put(name, "image/png") for name in (b"upload", b"vector", b"picture"))

    def answer(name: str, output: Artifact) -> RecipeRecord:
        recipe = Recipe(operator=name, version="1", weights="none", request={}, inputs=(upload.sha256,))
        return RecipeStore(bucket, store.project).add(RecipeRecord(recipe=recipe, result={"made": output.model_dump()}))

    embedded, made = answer("embed", vector), answer("draw", picture)
    record(store, picture, producer=made.recipe.key)
    sweep(store)
    sweep(store)
    assert (store.exists(upload.sha256), store.exists(vector.sha256)) == (False, True)
    assert (sweep(store, grace=SOON).answers, sweep(store, delete=False).answers) == (0, 1)
    assert sweep(store).answers == 1
    found = RecipeStore(bucket, store.project)
    assert (found.find(embedded.recipe.key), found.find(made.recipe.key)) == (None, made)
    sweep(store)
    sweep(store)
    assert (store.exists(vector.sha256), store.exists(picture.sha256)) == (False, True)


def test_a_dry_run_reports_the_same_and_changes_nothing(store: ArtifactStore, bucket: Bucket) -> None:
    store.put(b"lost", "text/plain")
    before = [found.key for found in bucket.objects(f"{store.project}/")]
    assert (sweep(store, delete=False).condemned, sweep(store, delete=False).condemned) == (1, 1)
    assert [found.key for found in bucket.objects(f"{store.project}/")] == before
    sweep(store)
    assert sweep(store, delete=False).removed == 1
    assert sweep(store).removed == 1


def test_nothing_is_deleted_before_the_grace_time_has_passed(store: ArtifactStore) -> None:
    lost = store.put(b"young", "text/plain")
    assert sweep(store, grace=SOON).condemned == 0
    sweep(store)
    assert (sweep(store, grace=SOON).removed, store.exists(lost.sha256)) == (0, True)


def test_a_blob_that_is_named_again_loses_its_mark(store: ArtifactStore, bucket: Bucket) -> None:
    lost = store.put(b"lost and found", "text/plain")
    sweep(store)
    record(store, lost)
    assert sweep(store).removed == 0
    assert DeletionMarks(bucket, store.project).marked() == {}


def test_an_artifact_on_hold_stays(store: ArtifactStore, bucket: Bucket) -> None:
    held = store.put(b"evidence", "text/plain")
    record(store, held)
    Labels(bucket, store.project).change(held.sha256, add=[HOLD])
    sweep(store)
    sweep(store)
    assert store.get(held) == b"evidence"


def test_nothing_is_deleted_while_a_document_cannot_be_read(store: ArtifactStore, bucket: Bucket) -> None:
    store.put(b"named by nobody can tell what", "text/plain")
    bucket.put(f"{store.project}/recipes/{'0' * 64}.json", b'{"recipe":')
    with pytest.raises(UnreadableReferences, match="verify --repair"):
        sweep(store)


def test_old_unfinished_uploads_are_deleted(store: ArtifactStore, bucket: Bucket) -> None:
    bucket.put(f"tmp/{store.project}", b"half a file")
    assert sweep(store, grace=SOON).uploads == 0
    assert bucket.stat(f"tmp/{store.project}") is not None
    assert sweep(store, delete=False).uploads >= 1


def test_a_writer_withdraws_the_mark_of_the_bytes_that_it_stores_again(store: ArtifactStore) -> None:
    store.put(b"again", "text/plain")
    sweep(store)
    again = store.put(b"again", "text/plain")
    assert sweep(store).removed == 0
    record(store, again)
    sweep(store)
    assert store.get(again) == b"again"


def test_a_writer_waits_for_a_sweep_in_progress_and_stores_the_bytes_again(
    store: ArtifactStore, bucket: Bucket
) -> None:
    """The writer starts after the sweep has taken its lease and before the delete."""
    data = b"at the last moment"
    lost = store.put(data, "text/plain")
    sweep(store)
    with ThreadPoolExecutor(1) as threads:
        started: list[Future[Artifact]] = []

        def writer_comes() -> None:
            started.append(threads.submit(store.put, data, "text/plain"))
            # The writer must not return before the delete.
            with pytest.raises(TimeoutError):
                started[0].result(timeout=0.5)

        assert sweep(store, bucket=Between(bucket, f"blobs/sha256/{lost.sha256[:2]}", writer_comes)).removed == 1
        assert started[0].result(timeout=20) == lost
    assert store.get(lost) == data


def test_a_sweep_stops_at_a_mark_that_a_writer_has_withdrawn(store: ArtifactStore, bucket: Bucket) -> None:
    lost = store.put(b"first come", "text/plain")
    sweep(store)
    marks = DeletionMarks(bucket, store.project)
    marks.withdraw(lost.sha256)
    with pytest.raises(MarkWithdrawn):
        marks.begin_sweep(lost.sha256)
    assert sweep(store).removed == 0


def test_the_sweep_of_a_dead_process_is_repeated(store: ArtifactStore, bucket: Bucket) -> None:
    lost = store.put(b"half swept", "text/plain")
    sweep(store)
    DeletionMarks(bucket, store.project).begin_sweep(lost.sha256)
    assert sweep(store).removed == 0
    _age(store, lost.sha256)
    sweep(store)
    sweep(store)
    assert not store.exists(lost.sha256)


def test_a_writer_does_not_wait_for_the_sweep_of_a_dead_process(store: ArtifactStore, bucket: Bucket) -> None:
    lost = store.put(b"half swept too", "text/plain")
    sweep(store)
    DeletionMarks(bucket, store.project).begin_sweep(lost.sha256)
    _age(store, lost.sha256)
    assert store.put(b"half swept too", "text/plain") == lost
    assert sweep(store).removed == 0


def test_concurrent_writers_and_sweeps_lose_nothing(store: ArtifactStore, bucket: Bucket) -> None:
    """Writers store and record the same bytes while sweeps run."""
    payloads = [f"contended {number}".encode() for number in range(6)]
    grace = timedelta(seconds=5)  # a writer takes far less from finding to recording

    def write(data: bytes) -> str:
        artifact = store.put(data, "text/plain")
        record(store, artifact)
        return artifact.sha256

    for data in payloads:
        store.put(data, "text/plain")
    sweep(store)
    with ThreadPoolExecutor(4) as threads:
        sweeping = [threads.submit(sweep, store, grace=grace) for _ in range(2)]
        swept_at_once = [threads.submit(sweep, store) for _ in range(1)]
        written = list(threads.map(write, payloads * 2))
        assert all(done.result() for done in [*sweeping, *swept_at_once])
    assert all(store.exists(sha256) for sha256 in written)


class Between:
    """A bucket that calls a function just before a delete."""

    def __init__(self, bucket: Bucket, where: str, happens: Callable[[], None]) -> None:
        self._bucket, self._where, self._happens = bucket, where, happens

    def remove(self, key: str) -> None:
        if self._where in key:
            self._happens()
        self._bucket.remove(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)


def _age(store: ArtifactStore, sha256: str) -> None:
    """Backdate the lease of a sweep."""
    Refs(store.bucket, store.project).update(
        f"condemned/{sha256}", lambda now: now | {"since": "2026-01-01T00:00:00+00:00"}
    )
