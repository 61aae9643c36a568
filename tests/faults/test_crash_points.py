"""Crash recovery: a run killed at any crash point and started again leaves the state of an undisturbed run."""

from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from uuid import uuid4

import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from tests.faults.conftest import Files, run_process, sound
from tests.faults.crash_points import CrashPoint
from tests.faults.scenario import project_state, run_inbox, store_large_file

pytestmark = pytest.mark.timeout(900)


def new_project() -> str:
    return f"fault-{uuid4().hex[:8]}"


def crash_points(write_log: Path) -> Iterator[CrashPoint]:
    """Yield two crash points for each kind of write: before the first and after the last."""
    for name, times in sorted(Counter(write_log.read_text(encoding="utf-8").splitlines()).items()):
        yield CrashPoint(name, 1, "before")
        yield CrashPoint(name, times, "after")


def test_the_inbox_recovers_from_a_kill_at_every_crash_point(
    processes: ForkServerContext,
    stub_settings: Settings,
    stub_platform: Platform,
    files: Files,
    drop: Callable[[str, Files], None],
    tmp_path: Path,
) -> None:
    whole = new_project()
    drop(whole, files)
    log = tmp_path / "log"
    assert run_process(processes, run_inbox, stub_settings, log, None, whole) == 0
    expected = project_state(stub_platform, whole)
    assert not [key for key in expected if key.startswith("inbox/")]
    points = list(crash_points(log))
    assert {point.name for point in points} >= {
        "create blob",
        "create record",
        "create recipe",
        "library row",
        "index rows",
        "create reason",
        "copy quarantine",
        "remove_if inbox",
    }
    for point in points:
        project = new_project()
        drop(project, files)
        assert run_process(processes, run_inbox, stub_settings, tmp_path / "killed", point, project) == -9, point
        assert run_process(processes, run_inbox, stub_settings, tmp_path / "again", None, project) == 0
        assert project_state(stub_platform, project) == expected, point


def test_the_write_path_recovers_from_a_kill_at_every_crash_point(
    processes: ForkServerContext, stub_settings: Settings, new_bucket: Callable[[], Bucket], tmp_path: Path
) -> None:
    bucket = new_bucket()  # in the session's, other tests have uploads of their own
    settings = stub_settings.model_copy(update={"bucket": bucket.name})
    platform = Platform(settings)
    (tmp_path / "large.wav").write_bytes(sound(300))
    whole, log = new_project(), tmp_path / "log"
    assert run_process(processes, store_large_file, settings, log, None, whole) == 0
    expected = project_state(platform, whole)
    points = list(crash_points(log))
    assert {point.name for point in points} >= {"put upload", "copy blob", "remove upload", "create record"}
    for number, point in enumerate(points, start=1):
        project = new_project()
        assert run_process(processes, store_large_file, settings, tmp_path / "killed", point, project) == -9, point
        assert run_process(processes, store_large_file, settings, tmp_path / "again", None, project) == 0
        assert project_state(platform, project) == expected, point
        left = list(bucket.objects("tmp/"))
        assert len(left) <= number, "a kill leaves one upload in flight at most"
    platform.database.close()
    platform.claims.close()


def test_an_object_that_is_replaced_during_its_ingest_stays_in_the_inbox(
    stub_platform: Platform, bucket: Bucket
) -> None:
    key = f"inbox/{new_project()}/note.txt"
    bucket.put(key, b"the first version")
    seen = bucket.stat(key)
    assert seen is not None
    bucket.put(key, b"the second version")
    assert not bucket.remove_if(key, seen.etag)
    assert bucket.get(key) == b"the second version"
    newer = bucket.stat(key)
    assert newer is not None
    assert bucket.remove_if(key, newer.etag)
    assert bucket.stat(key) is None


def test_a_rejected_file_never_overwrites_the_reason_of_another(
    processes: ForkServerContext,
    stub_settings: Settings,
    bucket: Bucket,
    drop: Callable[[str, Files], None],
    tmp_path: Path,
) -> None:
    project = new_project()
    drop(project, {"page.jpg": b"\0\1", "page.jpg.json": b"\0\2"})
    assert run_process(processes, run_inbox, stub_settings, tmp_path / "log", None, project) == 0
    kept = {found.key: bucket.get(found.key) for found in bucket.objects(f"quarantine/{project}/")}
    place = f"quarantine/{project}/page.jpg"
    assert set(kept) == {place, f"{place}.json", f"{place}.json~2", f"{place}.json~2.json"}
    assert (kept[place], kept[f"{place}.json~2"]) == (b"\0\1", b"\0\2")


def test_two_rejected_files_of_one_name_are_both_quarantined_with_their_reasons(
    processes: ForkServerContext,
    stub_settings: Settings,
    bucket: Bucket,
    drop: Callable[[str, Files], None],
    tmp_path: Path,
) -> None:
    project = new_project()
    for number in (1, 2):
        drop(project, {"page.jpg": f"<html>{number}</html>".encode()})
        assert run_process(processes, run_inbox, stub_settings, tmp_path / "log", None, project) == 0
    kept = {found.key: bucket.get(found.key) for found in bucket.objects(f"quarantine/{project}/")}
    place = f"quarantine/{project}/page.jpg"
    assert set(kept) == {place, f"{place}.json", f"{place}~2", f"{place}~2.json"}
    assert (kept[place], kept[f"{place}~2"]) == (b"<html>1</html>", b"<html>2</html>")
