"""What people who use other tools reported about search (strangers.md s1 to s11), on files of the kinds they have."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from flows.index.query_vectors import encode_here
from flows.index.search_report import SearchReport
from flows.index.why import explain
from flows.ingest import ingest_files, store_unrecorded
from flows.library.inputs import resolve_input
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.errors import NothingToDo
from flows.running.platform import Platform
from flows.search import find
from gateway.cli.uploads import upload
from tests.paths import SAMPLES

PROJECT = "strangers"
PHOTOS = ("dog-and-hydrant.jpg", "red-bus.jpg", "tennis-player.jpg", "bear-in-grass.jpg", "cat-and-mirror.jpg")
_TAKEN, _OFFSET = 0x9003, 0x9011


@pytest.fixture(scope="module")
async def library(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """Photos under the names that people give, one with a date of 2015, a book and notes."""
    folder = tmp_path_factory.mktemp("strangers")
    given = {"dog-and-hydrant.jpg": "IMG_2231.jpg", "cat-and-mirror.jpg": "猫咪合影.jpg"}
    files = [_copy(SAMPLES / name, folder / given.get(name, name)) for name in PHOTOS]
    files.append(_dated(SAMPLES / "bear-in-grass.jpg", folder / "kbx_0417-retouched.jpg"))
    chapters = [
        f"Chapter {n}. On keeping bees, part {n}: hives, honey and the queen." + " The bees." * 80 for n in range(40)
    ]
    (folder / "book.txt").write_text("\n\n".join(chapters), encoding="utf-8")
    for number in range(12):
        (folder / f"note-{number}.txt").write_text(
            f"Note {number}: the beekeeper looked after his hives.", encoding="utf-8"
        )
    (folder / "café.txt").write_text("Crème brûlée für zwei Personen 🎉, kein Straßenlärm.", encoding="utf-8")
    context = local_context(platform.space(PROJECT))
    keys = upload(platform.bucket, [*files, *sorted(folder.glob("*.txt"))])
    report = await ingest_files(context, list(keys))
    assert all(item.status == "stored" for item in report.items)
    return context


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def _dated(source: Path, target: Path) -> Path:
    with Image.open(source) as image:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[_TAKEN] = "2015:07:04 10:11:12"
        exif.get_ifd(0x8769)[_OFFSET] = "+00:00"
        image.resize((200, 150)).save(target, exif=exif)
    return target


async def ask(context: RunContext, words: str = "", **query: object) -> SearchReport:
    return await find(context, Query.model_validate({"words": words, "project": PROJECT, **query}))


async def names(context: RunContext, words: str = "", **query: object) -> list[str]:
    return [hit.name for hit in (await ask(context, words, **query)).hits]


@pytest.mark.parametrize("words", ["quantum chromodynamics lecture notes", "asdfghjkl", "zzxqv blorft"])
async def test_what_nothing_is_about_finds_nothing_and_says_so(library: RunContext, words: str) -> None:
    report = await ask(library, words)
    assert report.hits == []
    assert report.total == 0
    assert report.looked_through == {"image": 6, "text": 14}
    assert str(report) == "Nothing found in 6 pictures and 14 texts."


@pytest.mark.parametrize("words", ["a dog on a leash", "ein Hund an der Leine", "un chien en laisse", "un perro", "狗"])
async def test_pictures_of_dogs_come_first_and_what_is_unrelated_does_not(library: RunContext, words: str) -> None:
    found = await names(library, words)
    assert found[0] == "IMG_2231.jpg"
    assert not {"red-bus.jpg", "tennis-player.jpg", "book.txt"} & set(found)


@pytest.mark.parametrize(
    "words", ["invoice", "Rechnung", "democracy", "税", "4711", "hello", "submarine", "liberté", "quarterly report"]
)
async def test_a_word_for_what_no_picture_shows_finds_none(library: RunContext, words: str) -> None:
    assert await names(library, words, kinds=["image"]) == []


@pytest.mark.parametrize(
    ("words", "name"), [("bus", "red-bus.jpg"), ("Hund", "IMG_2231.jpg"), ("собака", "IMG_2231.jpg")]
)
async def test_one_word_finds_the_pictures_that_show_it_and_few_others(
    library: RunContext, words: str, name: str
) -> None:
    report = await ask(library, words, kinds=["image"])
    assert report.hits[0].name == name
    assert report.total <= 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        *[
            (words, "kbx_0417-retouched.jpg")
            for words in ("kbx_0417", "0417", "retouched", "kbx_0417-retouched.jpg", "retou")
        ],
        *[(words, "猫咪合影.jpg") for words in ("猫咪", "猫", "合影")],
        *[(words, "café.txt") for words in ("cafe", "CAFÉ", "creme brulee", "🎉", "strassenlarm", '"zwei Personen"')],
        ("buses", "red-bus.jpg"),
        ("IMG2231", "IMG_2231.jpg"),
    ],
)
async def test_what_is_written_is_found_first(library: RunContext, words: str, name: str) -> None:
    assert (await names(library, words))[0] == name


async def test_words_in_quotes_must_stand_there(library: RunContext) -> None:
    assert await names(library, '"zwei Personen"') == ["café.txt"]
    assert await names(library, '"Personen zwei"') == []


async def test_a_book_is_one_hit_among_others_with_its_best_places(library: RunContext) -> None:
    report = await ask(library, "beekeeping and hives", limit=14)
    found = [hit.name for hit in report.hits]
    assert len(found) == len(set(found)) >= 10
    book = next(hit for hit in report.hits if hit.name == "book.txt")
    assert len(book.places) == 5
    assert book.text == book.places[0].text
    first, second = await ask(library, "hives", limit=5), await ask(library, "hives", limit=5, offset=5)
    assert first.total == second.total == 13
    assert not {hit.artifact for hit in first.hits} & {hit.artifact for hit in second.hits}


async def test_a_minus_leaves_out_and_without_is_not_the_opposite(library: RunContext) -> None:
    assert "red-bus.jpg" in await names(library, "a vehicle in the street")
    assert "red-bus.jpg" not in await names(library, "a vehicle in the street -bus")
    assert "red-bus.jpg" not in await names(library, "a street without buses", kinds=["image"])
    assert "café.txt" not in await names(library, "creme -zwei")


@pytest.mark.parametrize("words", ['""', "?!", "-dog", "%", "\\"])
async def test_a_query_without_words_is_refused_in_a_sentence(library: RunContext, words: str) -> None:
    with pytest.raises(NothingToDo, match="The search has no words"):
        await ask(library, words)


async def test_either_of_two_things_will_do(library: RunContext) -> None:
    assert {"IMG_2231.jpg", "red-bus.jpg"} <= set(await names(library, "a dog or a bus", kinds=["image"]))
    assert "café.txt" in await names(library, "submarine OR brulee")


async def test_a_search_in_a_project_that_is_none_says_so(library: RunContext) -> None:
    nowhere = local_context(library.space.platform.space("nowhere"))
    report = await find(nowhere, Query(words="dog", project="nowhere"))
    assert report.notices == ("There is no project nowhere: nothing was ever stored in it.",)


async def test_a_hit_says_why(library: RunContext) -> None:
    dog = (await ask(library, "dog IMG", kinds=["image"])).hits[0]
    assert (dog.name, dog.name_marks) == ("IMG_2231.jpg", ((0, 3),))
    assert dog.places[0].concepts["dog.n.01"] == 0.5
    why = await explain(library, resolve_input(library.space, dog.artifact), "a dog", encode_here, asyncio.Semaphore())
    assert why.classes[0].share > 0.05
    assert sum(each.share for each in why.classes) <= 1
    assert max(why.regions[4]) > max(why.regions[0])


async def test_a_photo_is_found_by_when_it_was_taken(library: RunContext) -> None:
    taken = {"made_since": "2015-01-01", "made_until": "2015-12-31"}
    assert await names(library, "a bear", **taken) == ["kbx_0417-retouched.jpg"]
    assert "kbx_0417-retouched.jpg" not in await names(library, "a bear", made_since="2016-01-01")
    page = library.space.library.page(PROJECT, order="made", limit=100)
    assert page.rows[-1].name == "kbx_0417-retouched.jpg"
    assert page.rows[-1].made == datetime(2015, 7, 4, 10, 11, 12, tzinfo=UTC)


def test_a_day_without_a_zone_is_one_of_the_local_zone() -> None:
    query = Query.model_validate({"words": "x", "since": "2024-01-01", "until": "2024-01-31"})
    assert query.since == datetime(2024, 1, 1).astimezone()
    assert query.until == datetime(2024, 2, 1).astimezone()
    with pytest.raises(ValueError, match="since"):
        Query.model_validate({"words": "x", "since": "yesterday"})


async def test_a_picture_is_not_its_own_first_hit(library: RunContext) -> None:
    [bear] = [hit for hit in (await ask(library, "bear-in-grass")).hits if hit.name == "bear-in-grass.jpg"]
    for beginning in (bear.artifact, bear.artifact[:12]):
        found = (await ask(library, like=beginning)).hits
        assert found[0].name == "kbx_0417-retouched.jpg"
        assert bear.artifact not in [hit.artifact for hit in found]


async def test_a_file_of_the_library_is_found_by_itself(library: RunContext) -> None:
    given = store_unrecorded(library.space, SAMPLES / "red-bus.jpg")
    first = (await ask(library, like=given.sha256, itself=True)).hits[0]
    assert (first.name, first.artifact) == ("red-bus.jpg", given.sha256)
    assert first.score > 0.9
