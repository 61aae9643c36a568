"""The promise of every crash point: killed there and begun again, the platform is as if nothing had happened."""

from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from uuid import uuid4

import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from tests.faults.conftest import Files, ended, sound
from tests.faults.crash_points import CrashPoint
from tests.faults.scenario import state, store_one, take_in_the_inbox

pytestmark = pytest.mark.timeout(900)


def new_project() -> str:
    return f"fault-{uuid4().hex[:8]}"


def crash_points(notes: Path) -> Iterator[CrashPoint]:
    """Of everything that was written: before its first time, and after its last."""
    for name, times in sorted(Counter(notes.read_text(encoding="utf-8").splitlines()).items()):
        yield CrashPoint(name, 1, "before")
        yield CrashPoint(name, times, "after")


def test_the_inbox_recovers_from_a_kill_at_every_crash_point(
    processes: ForkServerContext,
    cheap: Settings,
    cheap_platform: Platform,
    files: Files,
    drop: Callable[[str, Files], None],
    tmp_path: Path,
) -> None:
    whole = new_project()
    drop(whole, files)
    notes = tmp_path / "notes"
    assert ended(processes.Process(target=take_in_the_inbox, args=(cheap, notes, None, whole))) == 0
    expected = state(cheap_platform, whole)
    assert not [key for key in expected if key.startswith("inbox/")]
    points = list(crash_points(notes))
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
        killed = processes.Process(target=take_in_the_inbox, args=(cheap, tmp_path / "killed", point, project))
        assert ended(killed) == -9, point
        assert ended(processes.Process(target=take_in_the_inbox, args=(cheap, tmp_path / "again", None, project))) == 0
        assert state(cheap_platform, project) == expected, point


def test_the_write_path_recovers_from_a_kill_at_every_crash_point(
    processes: ForkServerContext, cheap: Settings, cheap_platform: Platform, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "large.wav").write_bytes(sound(300))
    whole, notes = new_project(), tmp_path / "notes"
    assert ended(processes.Process(target=store_one, args=(cheap, notes, None, whole))) == 0
    expected = state(cheap_platform, whole)
    points = list(crash_points(notes))
    assert {point.name for point in points} >= {"put upload", "copy blob", "remove upload", "create record"}
    before = {found.key for found in bucket.objects("tmp/")}
    for number, point in enumerate(points, start=1):
        project = new_project()
        assert ended(processes.Process(target=store_one, args=(cheap, tmp_path / "killed", point, project))) == -9, (
            point
        )
        assert ended(processes.Process(target=store_one, args=(cheap, tmp_path / "again", None, project))) == 0
        assert state(cheap_platform, project) == expected, point
        left = {found.key for found in bucket.objects("tmp/")} - before
        assert len(left) <= number, "a kill leaves one upload in flight at most"
    bucket.remove_all(left)


def test_an_object_that_is_replaced_while_it_is_taken_in_stays_in_the_inbox(
    cheap_platform: Platform, bucket: Bucket
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


def test_a_refused_file_never_takes_the_place_of_anothers_reason(
    processes: ForkServerContext, cheap: Settings, bucket: Bucket, drop: Callable[[str, Files], None], tmp_path: Path
) -> None:
    project = new_project()
    drop(project, {"page.jpg": b"<html>1</html>", "page.jpg.json": b"<html>2</html>"})
    assert ended(processes.Process(target=take_in_the_inbox, args=(cheap, tmp_path / "notes", None, project))) == 0
    kept = {found.key: bucket.get(found.key) for found in bucket.objects(f"quarantine/{project}/")}
    place = f"quarantine/{project}/page.jpg"
    assert set(kept) == {place, f"{place}.json", f"{place}.json~2", f"{place}.json~2.json"}
    assert (kept[place], kept[f"{place}.json~2"]) == (b"<html>1</html>", b"<html>2</html>")


def test_two_refused_files_of_one_name_both_lie_in_quarantine_with_their_reasons(
    processes: ForkServerContext, cheap: Settings, bucket: Bucket, drop: Callable[[str, Files], None], tmp_path: Path
) -> None:
    project = new_project()
    for number in (1, 2):
        drop(project, {"page.jpg": f"<html>{number}</html>".encode()})
        assert ended(processes.Process(target=take_in_the_inbox, args=(cheap, tmp_path / "notes", None, project))) == 0
    kept = {found.key: bucket.get(found.key) for found in bucket.objects(f"quarantine/{project}/")}
    place = f"quarantine/{project}/page.jpg"
    assert set(kept) == {place, f"{place}.json", f"{place}~2", f"{place}~2.json"}
    assert (kept[place], kept[f"{place}~2"]) == (b"<html>1</html>", b"<html>2</html>")
