"""A fault stays with the file that it concerns, and a fault of the platform's own says nothing about any file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.ingest import ingest_files
from flows.library.indexing import index_artifacts
from flows.library.labelling import update_labels
from flows.process_inbox import Inbox, drain_all, drain_inbox
from flows.running.context import RunContext, local_context
from flows.running.errors import FilesWait
from flows.running.platform import Platform
from gateway.tokens import Tokens
from media.errors import DecoderUnavailable
from media.sandbox import Decoders
from storage.bucket import Bucket
from storage.labels import MOST
from storage.names import blob_key
from tests.faults.conftest import Files, picture, sound
from tests.faults.stub_models import write_catalogue

Drop = Callable[[str, Files], None]


@pytest.fixture
def context(stub_platform: Platform, project: str) -> RunContext:
    return local_context(stub_platform.space(project))


def left(bucket: Bucket, folder: str) -> list[str]:
    return [found.key.removeprefix(folder) for found in bucket.objects(folder)]


FAULTS = {
    "The model stub-transcriber cannot be loaded: ValueError: the header is too large.": {
        "operator": "tests.faults.stub_models:BrokenModel"
    },
    "The weights of stub-transcriber are not in the folder /nonexistent.": {"source": {"folder": "/nonexistent"}},
}


@pytest.mark.parametrize("reason", FAULTS)
async def test_files_wait_for_a_model_that_cannot_load_and_the_others_go_on(
    reason: str, stub_platform: Platform, project: str, bucket: Bucket, drop: Drop, files: Files
) -> None:
    folder, inbox = f"inbox/{project}/", Inbox(project=project)
    catalogue = stub_platform.settings.models_config
    whole = catalogue.read_text(encoding="utf-8")
    broken = json.loads(whole)
    broken["models"]["stub-transcriber"] |= FAULTS[reason]
    catalogue.write_text(json.dumps(broken), encoding="utf-8")
    context, platform = local_context(stub_platform.space(project)), stub_platform
    drop(project, files)

    report = await drain_inbox(context, inbox)
    assert {item.path: item.status for item in report.items}["clip.wav"] == "waiting"
    assert left(bucket, folder) == ["deeper/clip.wav"]
    assert left(bucket, f"quarantine/{project}/") == ["page.jpg", "page.jpg.json"]
    assert platform.index.counts(project) == {"image": 2, "text": 1}
    [waits] = platform.waiting.of_project(project)
    assert (waits.name, waits.attempts) == ("clip.wav", 1)
    assert waits.reason == reason
    assert (await drain_inbox(context, inbox)).items == []  # it is not due

    platform.waiting.make_due(project)
    await drain_inbox(context, inbox)
    [again] = platform.waiting.of_project(project)
    assert again.attempts == 2
    assert again.next_attempt > waits.next_attempt

    with pytest.raises(FilesWait, match=r"1 of 2 files wait, such as clip.wav: The .* stub-transcriber"):
        await ingest_files(context, [f"{folder}deeper/clip.wav", f"quarantine/{project}/page.jpg"])

    drop(project, {"second.wav": sound(0.3), "third.wav": sound(0.4)})
    await drain_inbox(context, inbox)
    shift_attempts(platform, project, -3000)
    await drain_inbox(context, inbox)
    shift_attempts(platform, project, 86_400)
    await drain_inbox(context, inbox)  # by a clock that was set back since, all are due
    assert sorted(each.attempts for each in platform.waiting.of_project(project)) == [3, 3, 4]

    catalogue.write_text(whole, encoding="utf-8")
    mended = local_context(Platform(platform.settings).space(project))
    assert (await drain_inbox(mended, inbox)).items == []
    shift_attempts(platform, project, -20)  # none is due, but one may try whether the model is there
    assert len((await drain_inbox(mended, inbox)).items) == 3
    assert left(bucket, folder) == []
    assert platform.waiting.of_project(project) == []
    assert platform.index.counts(project) == {"image": 2, "text": 1, "speech": 3}


def shift_attempts(platform: Platform, project: str, seconds: float) -> None:
    with platform.database.connection() as connection:
        connection.execute(
            "update waiting set next_attempt = next_attempt + make_interval(secs => %s) where project = %s",
            [seconds, project],
        )


async def test_a_file_that_somebody_removed_from_the_inbox_does_not_wait_any_more(
    new_platform: Callable[..., Platform], tmp_path: Path, files: Files
) -> None:
    platform = new_platform(models_config=write_catalogue(tmp_path), cache_dir=tmp_path / "cache")
    catalogue = json.loads(platform.settings.models_config.read_text(encoding="utf-8"))
    catalogue["models"]["stub-transcriber"] |= {"source": {"folder": "/nonexistent"}}
    platform.settings.models_config.write_text(json.dumps(catalogue), encoding="utf-8")
    Tokens(platform.bucket).create("ada", "maker", "team")
    context, keys = local_context(platform.space("default")), ["inbox/a.wav", "inbox/b.wav", "inbox/team/c.wav"]
    for number, key in enumerate(keys, 1):
        platform.bucket.put(key, sound(0.1 * number))
    await drain_all(context)
    assert {waits.key for waits in platform.waiting.of_project()} == set(keys)
    platform.bucket.remove_all(keys[1:])
    await drain_all(context)
    assert [waits.key for waits in platform.waiting.of_project()] == keys[:1]


async def test_a_decoder_that_cannot_start_says_nothing_about_files(
    context: RunContext, bucket: Bucket, drop: Drop, files: Files
) -> None:
    project = context.space.project
    context.space.platform.decoders = Decoders(python="/nonexistent/python")
    drop(project, files)
    with pytest.raises(DecoderUnavailable):
        await drain_inbox(context, Inbox(project=project))
    assert len(left(bucket, f"inbox/{project}/")) == len(files)
    assert left(bucket, f"quarantine/{project}/") == []
    context.space.platform.decoders = Decoders(python="/bin/false")
    with pytest.raises(DecoderUnavailable):
        await drain_inbox(context, Inbox(project=project))
    assert len(left(bucket, f"inbox/{project}/")) == len(files)


async def test_a_lost_blob_a_corrupt_record_and_too_many_labels_concern_one_file(
    context: RunContext, bucket: Bucket, drop: Drop
) -> None:
    space, project = context.space, context.space.project
    folder = f"inbox/{project}/"
    drop(project, {"lost.png": picture(1, 40), "kept.png": picture(2, 40), "labels.png": picture(3, 40)})
    items = (await drain_inbox(context, Inbox(project=project))).items
    names = {item.path: str(item.artifact) for item in items}

    recipes = [found.key for found in bucket.objects(f"{project}/recipes/")]
    bucket.remove_all([*recipes, blob_key(project, names["lost.png"])])
    fresh = local_context(Platform(space.platform.settings).space(project))
    failures = await index_artifacts(fresh, [space.records.get(each) for each in names.values()])
    assert list(failures) == [names["lost.png"]]
    assert failures.waiting == set()

    update_labels(space, names["labels.png"], add=[f"label-{number}" for number in range(MOST)])
    bucket.put(f"{project}/artifacts/{names['kept.png']}.json", b"not a record")
    drop(
        project,
        {"labels.png": picture(3, 40), "kept.png": picture(2, 40), "new.png": picture(4, 40), "x.html": b"<html>"},
    )
    bucket.put(f"quarantine/{project}/x.html.json", b"[1, 2]")
    report = await ingest_files(context, [f"{folder}labels.png", f"{folder}new.png"], ("one-more",))
    assert [(item.status, "without the labels" in (item.reason or "")) for item in report.items] == [
        ("duplicate", True),
        ("stored", False),
    ]
    report = await drain_inbox(context, Inbox(project=project))
    assert {item.path: item.status for item in report.items} == {
        "kept.png": "waiting",
        "labels.png": "duplicate",
        "new.png": "duplicate",
        "x.html": "rejected",
    }
    assert left(bucket, folder) == ["kept.png"]
    assert bucket.get(f"quarantine/{project}/x.html~2") == b"<html>"
