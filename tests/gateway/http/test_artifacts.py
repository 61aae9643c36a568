"""Artifacts over HTTP: upload, list, details, lineage, download and thumbnails."""

import hashlib
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.gateway.conftest import finished
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_a_download_comes_through_the_gateway(viewer: httpx.Client, cat: str) -> None:
    data = viewer.get(f"/api/artifacts/{cat}/download")
    assert data.status_code == 200
    assert hashlib.sha256(data.content).hexdigest() == cat
    assert "cat-and-mirror.jpg" in data.headers["content-disposition"]


def test_a_picture_has_a_thumbnail_and_an_unknown_artifact_has_none(viewer: httpx.Client, cat: str) -> None:
    answer = viewer.get(f"/api/artifacts/{cat}/thumbnail", params={"side": "128"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert max(Image.open(BytesIO(answer.content)).size) == 128
    assert viewer.get(f"/api/artifacts/{'0' * 64}/thumbnail").status_code == 404


def test_the_list_has_ingested_files_by_their_labels(viewer: httpx.Client, cat: str) -> None:
    page = viewer.get("/api/artifacts", params={"kind": "image", "label": "pets"}).json()
    assert cat in [each["artifact"] for each in page["rows"]]
    assert viewer.get("/api/artifacts", params={"after": "nonsense"}).status_code == 422


def test_a_picture_made_from_another_descends_from_it(maker: httpx.Client, viewer: httpx.Client, cat: str) -> None:
    order = {"prompt": "cat", "count": 1, "steps": 4, "start_from": cat, "strength": 0.6}
    job = maker.post("/api/jobs", json={"deployment": "generate-images", "parameters": order}).json()
    images = finished(maker, job["id"])["images"]
    assert isinstance(images, list)
    made = images[0]["artifact"]
    up = viewer.get(f"/api/artifacts/{made}/lineage").json()["ancestors"]
    assert [(each["artifact"], each["generation"]) for each in up] == [(cat, 1)]
    down = viewer.get(f"/api/artifacts/{cat}/lineage").json()["descendants"]
    assert made in [each["artifact"] for each in down]
    details = viewer.get(f"/api/artifacts/{made[:12]}").json()
    assert details["recipe"]["recipe"]["request"]["prompt"] == "cat"


def test_the_details_and_the_page_of_a_picture_tell_what_it_shows(viewer: httpx.Client, cat: str) -> None:
    concepts = viewer.get(f"/api/artifacts/{cat}").json()["concepts"]
    assert concepts["washbasin.n.02"] > 0.3
    page = viewer.get(f"/artifacts/{cat}", headers={"Accept": "text/html"}).text
    assert "Recognized" in page
    assert '<a href="/?q=washbasin"' in page
    why = viewer.get(f"/api/artifacts/{cat}/why", params={"words": "a washbasin"}).json()
    assert why["classes"][0]["name"] == "washbasin"
    assert max(value for row in why["regions"] for value in row) == 1
    page = viewer.get(f"/artifacts/{cat}?q=a+washbasin", headers={"Accept": "text/html"}).text
    assert "Why “a washbasin” finds it" in page
    heat_map = viewer.get(f"/heat-maps/{cat}", params={"q": "a washbasin"})
    assert heat_map.headers["content-type"] == "image/png"
    refused = viewer.get(f"/api/artifacts/{cat}/why", params={"words": "?"})
    assert (refused.status_code, refused.json()["error"]) == (422, "There are no words to compare the picture with.")


def test_a_picture_that_is_seen_by_a_copy_tells_what_it_shows(maker: httpx.Client) -> None:
    with Image.open(SAMPLES / "man-and-elephant.jpg") as picture:
        picture.convert("CMYK").save(data := BytesIO(), "TIFF")
    job = maker.post("/api/artifacts", files=[("file", ("printed.tiff", data.getvalue()))]).json()
    items = finished(maker, job["id"])["items"]
    assert isinstance(items, list)
    concepts = maker.get(f"/api/artifacts/{items[0]['artifact']}").json()["concepts"]
    assert concepts["elephant.n.01"] > 0.3


def test_an_upload_reports_the_status_of_each_file(maker: httpx.Client) -> None:
    files = [
        ("file", ("market.txt", (SAMPLES / "autumn-market.txt").read_bytes())),
        ("file", ("page.jpg", b"<html>no picture</html>")),
    ]
    job = maker.post("/api/artifacts", files=files).json()
    items = finished(maker, job["id"])["items"]
    assert isinstance(items, list)
    assert [item["status"] in ("stored", "duplicate") for item in items] == [True, False]
    assert items[1]["status"] == "rejected"
    assert items[1]["reason"].endswith(".")
