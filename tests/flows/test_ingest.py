"""Ingest: each file is stored once, recorded and indexed, or rejected with a reason."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from flows.ingest import ingest_files
from flows.library.reading.sidecars import sidecar_key
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.search import find
from gateway.cli.uploads import known_files, upload

Send = Callable[..., list[str]]


async def test_each_kind_of_file_is_stored_with_its_kind(context: RunContext, send: Send, samples: Path) -> None:
    files = [samples / name for name in ("dog-and-hydrant.jpg", "weather.wav", "autumn-market.txt")]
    report = await ingest_files(context, send(files), labels=("first",))
    assert [(item.path, item.status, item.kind) for item in report.items] == [
        ("dog-and-hydrant.jpg", "stored", "image"),
        ("weather.wav", "stored", "speech"),
        ("autumn-market.txt", "stored", "text"),
    ]
    for item, path in zip(report.items, files, strict=True):
        record = context.space.records.get(item.artifact or "")
        assert record.labels == ("first",)
        assert context.space.store.get(record.artifact) == path.read_bytes()


async def test_the_same_files_again_are_duplicates_and_load_no_model(
    context: RunContext, cold_context: RunContext, send: Send, samples: Path
) -> None:
    files = [samples / name for name in ("red-bus.jpg", "weather.wav", "herbstmarkt.md")]
    first = await ingest_files(context, send(files))
    again = await ingest_files(cold_context, send(files))
    assert [item.status for item in again.items] == ["duplicate"] * 3
    assert [item.artifact for item in again.items] == [item.artifact for item in first.items]
    assert cold_context.space.platform.pool.loaded() == []
    assert context.space.index.counts(context.space.project) == {"image": 1, "speech": 1, "text": 1}


async def test_the_file_name_of_an_upload_is_metadata_and_never_a_path(
    context: RunContext, send: Send, samples: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "Größe; rm -rf $(HOME) 100%.jpg"
    shutil.copy(samples / "luggage.jpg", strange)
    report = await ingest_files(context, send([strange]))
    assert report.items[0].path == strange.name
    assert context.space.records.get(report.items[0].artifact or "").name == strange.name


async def test_an_object_that_is_gone_is_rejected_and_the_others_are_ingested(
    context: RunContext, send: Send, samples: Path
) -> None:
    keys = [*send([samples / "luggage.jpg"]), "tmp/nothing-is-here"]
    report = await ingest_files(context, keys)
    assert [item.status for item in report.items] == ["stored", "rejected"]
    assert "not in the bucket" in (report.items[1].reason or "")


REJECTED = {
    "billion_laughs.svg",
    "bitflips.jpg",
    "bomb_20000x20000_gray.png",
    "empty.wav",
    "huge_header_2e9.png",
    "not_an_image.jpg",
    "truncated_header.jpg",
    "wav_zero_channels.wav",
    "wide_30000x2.png",
    "ztxt_bomb_60MB.png",
}


@pytest.mark.shared_data
async def test_every_hostile_file_is_stored_or_rejected_with_a_reason(
    context: RunContext, send: Send, shared_data: Path
) -> None:
    files = sorted(path for path in (shared_data / "hostile").iterdir() if path.name != "manifest.json")
    report = await ingest_files(context, send(files))
    assert {item.path for item in report.items if item.status == "rejected"} == REJECTED
    for item in report.items:
        assert item.status != "rejected" or ((item.reason or "").endswith(".") and "Traceback" not in item.reason)
    hits = (await find(context, Query(words="gray16", project=context.space.project, limit=50))).hits
    assert hits[0].name == "gray16.png"
    assert {hit.artifact for hit in hits} <= {item.artifact for item in report.items}


async def test_the_location_in_a_picture_is_removed_unless_the_uploader_keeps_it(
    context: RunContext, tmp_path: Path
) -> None:
    path = tmp_path / "tower.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.5)
    Image.effect_noise((200, 100), 90).save(path, exif=exif)
    bucket = context.space.platform.bucket
    kept, dropped = (list(upload(bucket, [path], keep_location=keep)) for keep in (True, False))
    items = (await ingest_files(context, [*dropped, *kept, *dropped])).items
    assert items[0].artifact == items[2].artifact != items[1].artifact
    records = [context.space.records.get(item.artifact or "") for item in items[:2]]
    assert [record.properties.get("location") for record in records] == ["dropped", None]
    assert context.space.store.get(records[1].artifact) == path.read_bytes()
    with Image.open(io.BytesIO(context.space.store.get(records[0].artifact))) as image:
        assert dict(image.getexif().get_ifd(0x8825)) == {}


async def test_a_sidecar_gives_its_picture_a_time_and_words_to_be_found_by(
    context: RunContext, samples: Path, tmp_path: Path
) -> None:
    picture, beside, gone = tmp_path / "a.jpg", tmp_path / "a.jpg.json", tmp_path / "a.xmp"
    gone.write_bytes(b"<xmp/>")
    shutil.copy(samples / "luggage.jpg", picture)
    beside.write_text('{"photoTakenTime": {"timestamp": "1433154600"}, "description": "Departure to Reykjavik"}')
    keys = upload(context.space.platform.bucket, [picture], sidecars={picture: [gone, beside]})
    context.space.platform.bucket.remove(sidecar_key(next(iter(keys)), 0))
    item = (await ingest_files(context, list(keys))).items[0]
    properties = context.space.records.get(item.artifact or "").properties
    assert (properties["taken"], properties["description"]) == ("2015-06-01T10:30:00+00:00", "Departure to Reykjavik")
    hits = (await find(context, Query(words="Reykjavik", kinds=["image"], project=context.space.project))).hits
    assert hits[0].artifact == item.artifact
    assert (hits[0].text or "").splitlines()[0] == "Departure to Reykjavik", "before what is written in the picture"
    assert known_files(context.space, [picture, beside]) == {picture: {"artifact": item.artifact, "kind": "image"}}
