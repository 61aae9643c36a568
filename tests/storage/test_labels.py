"""Labels and the lists of the library, on the real bucket and the real Postgres."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from storage.artifacts import Artifact
from storage.bucket import Bucket
from storage.errors import ArtifactNotFound, InvalidName
from storage.index.library import Library
from storage.labels import Labels, checked_label
from storage.records import ArtifactRecord, Records

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def record(bucket: Bucket, project: str) -> Callable[..., ArtifactRecord]:
    """Keeps the record of a picture of one byte."""

    def keep(number: int = 0, **values: Any) -> ArtifactRecord:
        return Records(bucket, project).add(made(project, number, **values))[0]

    return keep


def made(project: str, number: int, **values: Any) -> ArtifactRecord:
    artifact = Artifact(sha256=sha256(str(number).encode()).hexdigest(), media_type="image/png", size=1)
    given: dict[str, Any] = {"name": f"{number}.png", "created": BEGINNING + timedelta(seconds=number)} | values
    return ArtifactRecord(artifact=artifact, project=project, **given)


def test_labels_start_with_those_of_the_record_and_can_be_changed(
    bucket: Bucket, project: str, record: Callable[..., ArtifactRecord]
) -> None:
    labels, picture = Labels(bucket, project), record(labels=("red", "big"))
    assert labels.of(picture) == ("red", "big")
    assert labels.change(picture.artifact.sha256, add=["blue", "big"], remove=["red", "absent"]) == ("big", "blue")
    assert labels.of(picture) == ("big", "blue")
    assert labels.change(picture.artifact.sha256, remove=["big", "blue"]) == ()
    assert labels.of(picture) == ()
    assert Records(bucket, project).get(picture.artifact.sha256) == picture


def test_concurrent_label_changes_are_not_lost(
    bucket: Bucket, project: str, record: Callable[..., ArtifactRecord]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    labels, picture = Labels(bucket, project), record()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda word: labels.change(picture.artifact.sha256, add=[word]), "abcdef"))
    assert sorted(labels.of(picture)) == list("abcdef")


def test_the_labels_of_many_artifacts_equal_those_of_each(
    bucket: Bucket, project: str, record: Callable[..., ArtifactRecord]
) -> None:
    labels = Labels(bucket, project)
    records = [record(number, labels=("given",)) for number in range(120)]
    labels.change(records[7].artifact.sha256, add=["seven"])
    found, unreadable = labels.of_many(records)
    assert unreadable == {}
    assert found[records[7].artifact.sha256] == ("given", "seven")
    assert found == {one.artifact.sha256: labels.of(one) for one in records}


def test_a_missing_artifact_cannot_be_labelled(bucket: Bucket, project: str) -> None:
    with pytest.raises(ArtifactNotFound):
        Labels(bucket, project).change("0" * 64, add=["red"])


@pytest.mark.parametrize("word", ["", " red", "red ", "a,b", "a\nb", "x" * 65, "a\u202eb"])
def test_an_invalid_label_is_refused(word: str) -> None:
    with pytest.raises(InvalidName):
        checked_label(word)


@pytest.mark.parametrize("word", ["red", "Q3 2026", "client:acme/eu", "größe", "图片", "v1.0-rc+1", "<b>"])
def test_labels_can_be_in_any_language(word: str) -> None:
    assert checked_label(word) == word


def test_two_spellings_of_an_umlaut_are_one_label() -> None:
    assert checked_label("gro\u0308ße") == checked_label("größe")


def test_pages_list_each_artifact_once_and_the_newest_first(library: Library, project: str) -> None:
    records = [made(project, number // 2 if number < 4 else number) for number in range(11)]
    for one in [*records, made(f"{project}-other", 99)]:
        library.add(one)
    pages, after = [], None
    while True:
        page = library.page(project, limit=4, after=after)
        pages.append([row.name for row in page.rows])
        if (after := page.next) is None:
            break
    assert pages == [["10.png", "9.png", "8.png", "7.png"], ["6.png", "5.png", "4.png", "1.png"], ["0.png"]]
    assert library.counts(project) == {"image": 9}


def test_a_new_artifact_does_not_shift_the_next_page(library: Library, project: str) -> None:
    for number in range(4):
        library.add(made(project, number))
    first = library.page(project, limit=2)
    library.add(made(project, 50))
    second = library.page(project, limit=2, after=first.next)
    assert [row.name for row in second.rows] == ["1.png", "0.png"]


def test_lists_can_be_filtered(library: Library, project: str) -> None:
    library.add(made(project, 1, labels=("red", "big"), name="Heron_50%.png"))
    library.add(made(project, 2, labels=("red",)))
    assert [row.name for row in library.page(project, labels=["red", "big"]).rows] == ["Heron_50%.png"]
    assert [row.name for row in library.page(project, name="heron_50%").rows] == ["Heron_50%.png"]
    assert library.page(project, name="_5%0").rows == []
    assert library.page(project, kinds=["text"]).rows == []
    assert len(library.page(project, kinds=["image", "text"]).rows) == 2
    assert library.labels(project) == {"big": 1, "red": 2}
    with pytest.raises(InvalidName):
        library.page(project, after="'; drop table artifacts")


def test_children_are_found_from_their_parents(library: Library, project: str) -> None:
    parent = made(project, 1)
    library.add(parent)
    library.add(made(project, 2, parents=(parent.artifact.sha256,)))
    library.add(made(project, 3, parents=("0" * 64, parent.artifact.sha256)))
    assert [row.name for row in library.children(project, parent.artifact.sha256)] == ["2.png", "3.png"]
    assert library.children(f"{project}-other", parent.artifact.sha256) == []


def test_adding_a_record_again_keeps_its_current_labels(library: Library, project: str) -> None:
    one = made(project, 1, labels=("old",))
    library.add(one)
    library.set_labels(project, one.artifact.sha256, ["new"])
    library.add(one)
    assert library.page(project).rows[0].labels == ("new",)


def test_a_deep_page_of_ten_thousand_is_fast(library: Library, project: str) -> None:
    records = [made(project, number) for number in range(10_000)]
    library.put(records, {one.artifact.sha256: () for one in records})
    middle = f"{records[100].created.isoformat()}_{records[100].artifact.sha256}"

    def seconds(after: str | None) -> float:
        started = time.perf_counter()
        assert len(library.page(project, after=after).rows) == 50
        return time.perf_counter() - started

    deep = min(seconds(middle) for _ in range(5))
    assert deep < 0.25
    library.remove(project, [one.artifact.sha256 for one in records])
    assert library.page(project).rows == []
