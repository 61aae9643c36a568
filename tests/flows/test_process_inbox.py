"""The inbox: a file is deleted from it last, and an unreadable file is quarantined beside the reason."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flows.library.inbox import WrongInbox
from flows.process_inbox import Inbox, drain_all, drain_inbox
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from gateway.tokens import Tokens
from storage.bucket import Bucket
from storage.records import list_projects


@pytest.fixture
def inbox(bucket: Bucket, project: str) -> Iterator[Inbox]:
    """A folder of the project's inbox."""
    folder = f"inbox/{project}/{uuid4().hex}/"
    yield Inbox(prefix=folder, project=project)
    bucket.remove_all([found.key for found in bucket.objects(folder)])


def drop(bucket: Bucket, inbox: Inbox, name: str, data: bytes) -> str:
    bucket.put(f"{inbox.prefix}{name}", data)
    return f"{inbox.prefix}{name}"


async def test_files_leave_the_inbox_once_they_are_stored(
    context: RunContext, inbox: Inbox, bucket: Bucket, samples: Path
) -> None:
    drop(bucket, inbox, "bear.jpg", (samples / "bear-in-grass.jpg").read_bytes())
    drop(bucket, inbox, "deeper/notes.txt", b"The bear was seen near the river.")
    report = await drain_inbox(context, inbox)
    assert {(item.path, item.status) for item in report.items} == {("bear.jpg", "stored"), ("notes.txt", "stored")}
    assert list(bucket.objects(inbox.prefix)) == []
    assert context.space.index.counts(context.space.project) == {"image": 1, "text": 1}


async def test_unreadable_files_are_quarantined_beside_the_reason(
    context: RunContext, inbox: Inbox, bucket: Bucket
) -> None:
    key = drop(bucket, inbox, "page.html", b"<html><script>alert(1)</script></html>")
    report = await drain_inbox(context, inbox)
    place = f"quarantine/{key.removeprefix('inbox/')}"
    assert report.items[0].status == "rejected"
    assert bucket.get(place) == b"<html><script>alert(1)</script></html>"
    why = json.loads(bucket.get(f"{place}.json"))
    assert why["reason"] == report.items[0].reason
    assert why["name"] == "page.html"
    assert list(bucket.objects(inbox.prefix)) == []


async def test_a_file_may_have_the_name_of_a_folder_beside_it(
    context: RunContext, inbox: Inbox, bucket: Bucket
) -> None:
    for name in ("a/b", "a/b/c", "x/y/z", "x/y"):
        drop(bucket, inbox, name, f"The lighthouse keeper wrote {name}.".encode())
    broken = [drop(bucket, inbox, name, b"<html><script>") for name in ("p/q", "p/q/r")]
    report = await drain_inbox(context, inbox)
    outcomes = [(item.path, item.status) for item in report.items]
    stored, rejected = (sorted(path for path, status in outcomes if status == each) for each in ("stored", "rejected"))
    assert (stored, rejected) == (["b", "c", "y", "z"], ["q", "r"])
    assert list(bucket.objects(inbox.prefix)) == []
    assert {bucket.get(f"quarantine/{key.removeprefix('inbox/')}") for key in broken} == {b"<html><script>"}


async def test_a_run_takes_no_more_than_its_limit(context: RunContext, inbox: Inbox, bucket: Bucket) -> None:
    for number in range(3):
        drop(bucket, inbox, f"note-{number}.txt", f"This is note number {number}.".encode())
    report = await drain_inbox(context, inbox.model_copy(update={"limit": 2}))
    assert len(report.items) == 2
    assert len(list(bucket.objects(inbox.prefix))) == 1


async def test_an_empty_inbox_is_no_failure(context: RunContext, inbox: Inbox) -> None:
    assert (await drain_inbox(context, inbox)).items == []


async def test_the_schedule_takes_each_file_into_the_project_of_its_folder(
    new_platform: Callable[..., Platform], samples: Path
) -> None:
    platform = new_platform()
    bucket, context = platform.bucket, local_context(platform.space("default"))
    Tokens(bucket).create("ada", "maker", "team")
    for key in ("note.txt", "holiday/note.txt", "default/note.txt", "team/note.txt", "team/deeper/note.txt"):
        bucket.put(f"inbox/{key}", f"A note that was dropped as {key}.".encode())
    bucket.put("inbox/team/bad.html", b"<html><script>alert(1)</script></html>")
    report = await drain_all(context)
    assert [item.key for item in report.items if item.key.startswith("inbox/team/")] == []
    assert len(report.items) == 3
    assert len(list(platform.space("default").records.all())) == 3
    assert len(list(platform.space("team").records.all())) == 2
    assert bucket.stat("quarantine/team/bad.html") is not None
    assert list(bucket.objects("inbox/")) == []
    assert list_projects(bucket) == ["default", "team"]


async def test_a_folder_of_another_project_is_refused(context: RunContext, bucket: Bucket) -> None:
    for prefix in ("inbox/victim/", "inbox/", f"inbox/{context.space.project}-2/"):
        with pytest.raises(WrongInbox):
            await drain_inbox(context, Inbox(prefix=prefix, project=context.space.project))
