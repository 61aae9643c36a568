"""Films and pictures of other formats are stored, seen and found; what they are made of is read once."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from flows.care.rebuild_index import rebuild_index
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files, store_unrecorded
from flows.library.inputs import resolve_input
from flows.library.reading.contents import find_contents, full_text, picture_at, shown_picture
from flows.library.reading.live_photos import LivePhoto, live_photo_of
from flows.library.trash import move_to_trash, take_out_of_trash
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.search import SearchReport, find
from media.pictures import thumbnail
from tests.media.made.documents import pdf, write_documents
from tests.media.made.films import film
from tests.media.made.live_photos import apple_live_photo, motion_photo
from tests.media.made.pictures import encoded, heic
from tests.paths import SAMPLES

Send = Callable[..., list[str]]


async def search(context: RunContext, words: str, *kinds: str) -> SearchReport:
    return await find(context, Query(words=words, kinds=list(kinds), project=context.space.project, limit=5))  # pyright: ignore


@pytest.fixture
def photo(samples: Path) -> Image.Image:
    with Image.open(samples / "red-bus.jpg") as image:
        return image.convert("RGB")


async def test_an_iphone_photo_is_found_as_the_jpeg_is(
    context: RunContext, send: Send, samples: Path, photo: Image.Image, tmp_path: Path
) -> None:
    (tmp_path / "IMG_0417.HEIC").write_bytes(heic(photo))
    files = [tmp_path / "IMG_0417.HEIC", samples / "dog-and-hydrant.jpg"]
    items = (await ingest_files(context, send(files))).items
    assert [(item.status, item.kind, item.reason) for item in items] == [("stored", "image", None)] * 2
    hits = (await search(context, "a bus", "image")).hits
    assert hits[0].artifact == items[0].artifact
    stored = resolve_input(context.space, items[0].artifact or "")
    assert context.space.store.get(stored.artifact) == files[0].read_bytes()
    shown = shown_picture(context.space, stored)
    assert shown.media_type == "image/jpeg"
    assert thumbnail(context.space.store.get(shown), 64)
    query = await find(
        context, Query(like=store_unrecorded(context.space, files[0]).sha256, project=context.space.project)
    )
    assert query.hits[0].artifact == items[0].artifact


async def test_a_silent_film_is_seen_by_its_scenes_and_survives_a_rebuild(
    context: RunContext, cold_context: RunContext, send: Send, photo: Image.Image, samples: Path, tmp_path: Path
) -> None:
    with Image.open(samples / "dog-and-hydrant.jpg") as dog:
        scenes = [image.convert("RGB").resize((160, 120)) for image in (photo, dog)]
    path = film(tmp_path / "holiday.mp4", scenes, codec="libx264")
    item = (await ingest_files(context, send([path]))).items[0]
    assert (item.status, item.kind, item.reason) == ("stored", "speech", None)
    hits = (await search(context, "a bus", "speech")).hits
    assert (hits[0].artifact, hits[0].places[0].kind, hits[0].start_seconds) == (item.artifact, "image", 0.0)
    found = resolve_input(context.space, item.artifact or "")
    contents = find_contents(context.space, found.artifact)
    assert contents is not None
    assert len(contents.frames) == 2
    with Image.open(io.BytesIO(context.space.store.get(picture_at(context.space, found, seconds=2.4)))) as frame:
        assert frame.size == (160, 120)
    before = context.space.index.parts(context.space.project)
    assert (await verify_project(context, Inspection(project=context.space.project))).findings == []
    await rebuild_index(cold_context)
    assert cold_context.space.index.parts(context.space.project) == before
    assert cold_context.space.platform.pool.loaded() == []


@pytest.mark.parametrize("first", ["picture", "film"])
async def test_a_live_photo_is_one_hit_and_one_row_whichever_file_came_first(
    context: RunContext, send: Send, photo: Image.Image, samples: Path, tmp_path: Path, first: str
) -> None:
    space = context.space
    with Image.open(samples / "dog-and-hydrant.jpg") as dog:
        scenes = [photo.resize((160, 120)), dog.convert("RGB").resize((160, 120))]
    files = apple_live_photo(tmp_path, photo, "1F2E3D4C-0000-4000-8000-00805F9B34FB", scenes)  # pyright: ignore
    items = [
        (await ingest_files(context, send([file]))).items[0] for file in (files if first == "picture" else files[::-1])
    ]
    still, motion = (next(str(item.artifact) for item in items if item.kind == kind) for kind in ("image", "speech"))
    for words in ("a bus", "a dog"):  # the film alone shows the dog
        hits = (await search(context, words, "image", "speech")).hits
        assert [(hit.artifact, hit.kind, hit.name) for hit in hits] == [(still, "image", "IMG_0417.HEIC")]
    assert [hit.artifact for hit in (await search(context, "a dog", "speech")).hits] == [motion]
    listed = [space.library.page(space.project, with_motions=both).rows for both in (False, True)]
    assert [{row.artifact for row in rows} & {still, motion} for rows in listed] == [{still}, {still, motion}]
    both = LivePhoto(picture=still, film=motion)
    assert [live_photo_of(space, space.records.get(each)) for each in (still, motion)] == [both, both]
    move_to_trash(space, still, "Ada")
    assert not (await search(context, "a dog", "image", "speech")).hits
    assert take_out_of_trash(space, still)
    assert [hit.artifact for hit in (await search(context, "a dog", "image", "speech")).hits] == [still]


async def test_the_film_of_a_motion_photo_belongs_to_its_picture(
    context: RunContext, cold_context: RunContext, send: Send, photo: Image.Image, tmp_path: Path
) -> None:
    appended = film(tmp_path / "a.mp4", [(200, 0, 0)]).read_bytes()
    (tmp_path / "PXL.MP.jpg").write_bytes(motion_photo(photo, appended))
    item = (await ingest_files(context, send([tmp_path / "PXL.MP.jpg"]))).items[0]
    live = live_photo_of(context.space, context.space.records.get(str(item.artifact)))
    assert live
    assert context.space.store.get(context.space.records.get(live.film).artifact) == appended
    before = context.space.index.parts(context.space.project)
    await rebuild_index(cold_context)
    assert cold_context.space.index.parts(context.space.project) == before
    assert (await verify_project(context, Inspection(project=context.space.project))).findings == []


async def test_pages_of_a_scan_are_parts_with_a_place(
    context: RunContext, send: Send, photo: Image.Image, tmp_path: Path
) -> None:
    grey = Image.new("RGB", photo.size, "grey")
    (tmp_path / "scan.tiff").write_bytes(encoded(grey, "TIFF", save_all=True, append_images=[photo]))
    item = (await ingest_files(context, send([tmp_path / "scan.tiff"]))).items[0]
    hits = (await search(context, "a bus", "image")).hits
    assert (hits[0].artifact, hits[0].place) == (item.artifact, "page=2")


async def test_documents_are_found_at_their_page_and_their_pictures_are_pictures(
    context: RunContext, send: Send, tmp_path: Path
) -> None:
    paths = write_documents(tmp_path)
    report = await ingest_files(context, send(paths), labels=("papers",))
    assert {(item.status, item.kind, item.reason) for item in report.items} == {("stored", "text", None)}
    ids = {item.path: item.artifact or "" for item in report.items}
    for words, name, place in (
        ("drowned valleys fjords", "ice.pdf", "page=2"),
        ("eruption of a volcano in Iceland", "iceland.pptx", "slide=2"),
        ("price of a copper kettle", "prices.xlsx", "sheet=Prices"),
        ("the horse ran", "whale.epub", "chapter=2"),
        ("torn spinnaker", "sail.eml", ""),
    ):
        hit = (await search(context, words, "text")).hits[0]
        assert (hit.artifact, hit.place) == (ids[name], place)
    space = context.space
    children = [row for sha256 in ids.values() for row in space.library.children(space.project, sha256)]
    inside = [space.records.get(row.artifact) for row in children]  # the same photo is in every document
    assert [(each.kind, "place" in each.properties, each.labels) for each in inside] == [("image", True, ("papers",))]
    assert space.index.counts(space.project)["image"] == 2  # the photo and the scanned page
    assert (await verify_project(context, Inspection(project=space.project))).findings == []
    assert (
        full_text(space, resolve_input(space, ids["bees.odt"])) == "Bees\n\nHoney is golden.\n\nWax\n\nCandles  burn."
    )


async def test_what_is_written_in_pictures_and_scans_is_found(context: RunContext, send: Send, tmp_path: Path) -> None:
    sign = Image.new("RGB", (800, 300), "white")
    ImageDraw.Draw(sign).text((60, 100), "BAKERY open 7-18", fill="black", font_size=70)
    (tmp_path / "IMG_1.HEIC").write_bytes(heic(sign))
    (tmp_path / "scan.pdf").write_bytes(pdf(scanned=True))
    page = Image.new("RGB", (1200, 900), "white")
    for number in range(20):
        ImageDraw.Draw(page).text(
            (60, 20 + 42 * number), f"Paragraph {number} of the tenancy", fill="black", font_size=28
        )
    (tmp_path / "screenshot.png").write_bytes(encoded(page, "PNG"))
    (tmp_path / "fog.jpg").write_bytes((SAMPLES / "motorcycle-in-fog.jpg").read_bytes())  # its edges look like a sign
    items = (await ingest_files(context, send(sorted(tmp_path.iterdir())))).items
    ids = {item.path: item.artifact for item in items}
    hit = (await search(context, "bakery", "image")).hits[0]
    assert (hit.artifact, hit.text) == (ids["IMG_1.HEIC"], "BAKERY open 7-18")
    hit = (await search(context, "lighthouse", "text")).hits[0]
    assert (hit.artifact, hit.place, hit.text) == (ids["scan.pdf"], "page=1", "LIGHTHOUSE")
    hit = (await search(context, "Paragraph 3 of the tenancy", "image")).hits[0]
    assert (hit.artifact, hit.place[:13]) == (ids["screenshot.png"], "xywh=percent:")
    assert (await search(context, "a motorcycle in the fog", "image")).hits[0].text == ""
    assert (await verify_project(context, Inspection(project=context.space.project))).findings == []
