"""The same picture in other sizes and compressions, or slightly cropped, is found and labelled; others are not."""

from pathlib import Path

import pytest
from PIL import Image

from flows.care.find_duplicates import DUPLICATE, DuplicatesReport, group_duplicates
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.library.trash import move_to_trash
from flows.running.content_forms import DuplicateSearch
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from gateway.cli.uploads import upload
from storage.artifacts import blob_key
from tests.paths import SAMPLES

PROJECT = "duplicates"
PHOTOS = ("dog-and-hydrant.jpg", "red-bus.jpg", "tennis-player.jpg", "bear-in-grass.jpg", "stop-sign.jpg")


@pytest.fixture(scope="module")
async def library(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """Five photos, and a small, a compressed and a cropped one of the first two."""
    folder = tmp_path_factory.mktemp("duplicates")
    with Image.open(SAMPLES / "dog-and-hydrant.jpg") as dog, Image.open(SAMPLES / "red-bus.jpg") as bus:
        dog.resize((dog.width // 3, dog.height // 3)).save(folder / "dog-small.png")
        dog.save(folder / "dog-compressed.jpg", quality=15)
        bus.crop((20, 15, bus.width - 15, bus.height - 20)).save(folder / "bus-cropped.webp")
    files = [*(SAMPLES / name for name in PHOTOS), *sorted(folder.iterdir())]
    context = local_context(platform.space(PROJECT))
    keys = upload(platform.bucket, files)
    report = await ingest_files(context, list(keys))
    assert all(item.status == "stored" for item in report.items)
    return context


async def groups(context: RunContext, *, label: bool = False) -> list[list[str]]:
    report = await group_duplicates(context, DuplicateSearch(label=label, project=PROJECT))
    return [[Path(member.name).stem for member in group] for group in report.groups]


async def test_each_group_has_the_largest_picture_first(library: RunContext) -> None:
    assert await groups(library) == [
        ["dog-and-hydrant", "dog-compressed", "dog-small"],
        ["red-bus", "bus-cropped"],
    ]
    assert library.space.library.labels(PROJECT).get(DUPLICATE, 0) == 0


async def test_the_others_are_labelled_if_asked_and_the_best_is_not(library: RunContext) -> None:
    report: DuplicatesReport = await group_duplicates(library, DuplicateSearch(project=PROJECT))
    best = report.groups[0][0].artifact
    update_labels(library.space, best, add=[DUPLICATE])  # as if a larger one had come before
    await groups(library, label=True)
    assert library.space.library.labels(PROJECT)[DUPLICATE] == 3
    assert DUPLICATE not in library.space.labels.of(library.space.records.get(best))


async def test_what_is_in_the_trash_is_no_duplicate(library: RunContext) -> None:
    report = await group_duplicates(library, DuplicateSearch(project=PROJECT))
    cropped = report.groups[1][1].artifact
    move_to_trash(library.space, cropped, "somebody")
    assert await groups(library) == [["dog-and-hydrant", "dog-compressed", "dog-small"]]


async def test_a_picture_whose_bytes_are_lost_is_a_failure_of_its_own(library: RunContext) -> None:
    report = await group_duplicates(library, DuplicateSearch(project=PROJECT))
    small = report.groups[0][2]
    library.space.platform.bucket.remove(blob_key(PROJECT, small.artifact))
    report = await group_duplicates(library, DuplicateSearch(project=PROJECT))
    assert list(report.failures) == [small.artifact]
    assert [len(group) for group in report.groups] == [2]
