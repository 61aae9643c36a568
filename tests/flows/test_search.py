"""Search: one query finds pictures, spoken segments and texts, and a rebuilt index gives the same hits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows.care.rebuild_index import rebuild_index
from flows.ingest import ingest_files, store_unrecorded
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.errors import NothingToDo
from flows.running.platform import Platform
from flows.running.settings import Settings
from flows.search import find
from storage.errors import ArtifactNotFound
from tests.paths import SAMPLES

LIBRARY = "searched"
FILES = (
    "dog-and-hydrant.jpg",
    "red-bus.jpg",
    "cat-and-mirror.jpg",
    "tennis-player.jpg",
    "speech-1961.flac",
    "weather.wav",
    "autumn-market.txt",
    "herbstmarkt.md",
)


@pytest.fixture(scope="module")
async def library(platform: Platform) -> RunContext:
    """A project with pictures, speech and texts in it."""
    from gateway.cli.uploads import upload

    samples = SAMPLES
    context = local_context(platform.space(LIBRARY))
    keys = upload(platform.bucket, [samples / name for name in FILES])
    report = await ingest_files(context, list(keys), labels=("sample",))
    assert all(item.status == "stored" for item in report.items)
    return context


async def names(context: RunContext, **query: object) -> list[str]:
    report = await find(context, Query.model_validate({"project": LIBRARY, **query}))
    return [hit.name for hit in report.hits]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a dog beside a fire hydrant", "dog-and-hydrant.jpg"),
        ("a bus in the street", "red-bus.jpg"),
        ("somebody plays tennis", "tennis-player.jpg"),
    ],
)
async def test_words_find_a_picture(library: RunContext, words: str, expected: str) -> None:
    assert (await names(library, words=words, kinds=["image"]))[0] == expected


async def test_words_find_the_moment_at_which_they_are_said(library: RunContext) -> None:
    report = await find(library, Query(words="what can you do for your country", project=LIBRARY))
    spoken = next(hit for hit in report.hits if hit.name == "speech-1961.flac")
    assert "country" in spoken.text.lower()
    assert spoken.start_seconds is not None
    assert spoken.end_seconds is not None
    assert 0 <= spoken.start_seconds < spoken.end_seconds <= 11.5


async def test_words_find_a_passage_of_text_by_what_it_means(library: RunContext) -> None:
    assert (await names(library, words="farm produce for sale", kinds=["text"]))[0] in (
        "autumn-market.txt",
        "herbstmarkt.md",
    )


async def test_only_the_wanted_kinds_and_labels_are_found(library: RunContext) -> None:
    assert set(await names(library, words="a dog", kinds=["speech"])) <= {"speech-1961.flac", "weather.wav"}
    assert await names(library, words="a dog", labels=["sample"])
    assert await names(library, words="a dog", labels=["no-such-label"]) == []


async def test_a_stored_picture_finds_the_others(library: RunContext) -> None:
    cat = next(record for record in library.space.records.all() if record.name == "cat-and-mirror.jpg")
    assert set(await names(library, like=cat.artifact.sha256[:12])) == {*FILES[:2], "tennis-player.jpg"}


async def test_an_unrecorded_picture_finds_similar_ones_and_stays_out_of_the_library(
    library: RunContext, samples: Path
) -> None:
    before = len(list(library.space.records.all()))
    unrecorded = store_unrecorded(library.space, samples / "bear-in-grass.jpg")
    assert await names(library, like=unrecorded.sha256)
    assert len(list(library.space.records.all())) == before


async def test_a_search_without_words_says_what_is_missing(library: RunContext) -> None:
    with pytest.raises(NothingToDo, match="say what to look for"):
        await find(library, Query(words="  ", project=LIBRARY))


async def test_a_search_by_an_unknown_artifact_is_refused(library: RunContext) -> None:
    with pytest.raises(ArtifactNotFound):
        await find(library, Query(like="0" * 64, project=LIBRARY))


async def test_a_rebuilt_index_gives_the_same_hits_in_the_same_order_without_a_model(
    library: RunContext, settings: Settings, new_database: Callable[[], SecretStr]
) -> None:
    questions = ("a dog", "market", "country", "something red")
    before = [(await find(library, Query(words=words, project=LIBRARY, limit=50))).hits for words in questions]
    lost = Platform(settings.model_copy(update={"postgres_dsn": new_database()}))
    rebuilt = local_context(lost.space(LIBRARY))
    report = await rebuild_index(rebuilt)
    assert lost.pool.loaded() == []
    assert report.artifacts == len(FILES)
    after = [(await find(rebuilt, Query(words=words, project=LIBRARY, limit=50))).hits for words in questions]
    lost.database.close()
    assert after == before


@pytest.mark.shared_data
async def test_captions_find_their_photos(
    platform: Platform, shared_data: Path, send: Callable[..., list[str]]
) -> None:
    import json

    entries = json.loads((shared_data / "photos" / "captions.json").read_text(encoding="utf-8"))
    wanted = [entry for entry in entries if entry["file"].startswith(("coco_", "tux_"))]
    context = local_context(platform.space("photos"))
    report = await ingest_files(context, send([shared_data / "photos" / entry["file"] for entry in wanted]))
    assert all(item.status == "stored" for item in report.items)
    found = 0
    for entry in wanted:
        query = Query(words=entry["captions"]["en"][0], kinds=["image"], limit=10, project="photos")
        found += entry["file"] in [hit.name for hit in (await find(context, query)).hits]
    assert found / len(wanted) >= 0.68
