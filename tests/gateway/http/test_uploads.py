"""Uploads in parts, labels, searches and the Python client over HTTP."""

import hashlib
import os
import random
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from tests.gateway.conftest import finished
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def large_picture() -> bytes:
    """About 17 MB of noise: three parts, the last one small."""
    file = BytesIO()
    Image.frombytes("RGB", (2400, 2400), random.randbytes(2400 * 2400 * 3)).save(file, "PNG", compress_level=0)
    return file.getvalue()


def test_an_upload_in_parts_is_resumed_after_an_interruption(maker: httpx.Client, stranger: httpx.Client) -> None:
    data = large_picture()
    upload = maker.post("/api/uploads", json={"name": "large.png", "size": len(data)}).json()
    address = f"/api/uploads/{upload['id']}"
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3]

    def send(part: dict[str, Any]) -> None:
        start = (part["number"] - 1) * upload["part_size"]
        assert part["url"].startswith(str(maker.base_url))
        assert maker.put(part["url"], content=data[start : start + part["size"]]).status_code == 204

    send(upload["parts"][2])
    assert maker.post(f"{address}/complete", json={}).status_code == 422
    assert stranger.get(address).status_code == 404
    assert stranger.put(f"{address}/parts/1", content=data[:10]).status_code == 404
    assert maker.put(f"{address}/parts/1", content=data[:10]).status_code == 422
    assert maker.put(f"{address}/parts/4", content=data[:10]).status_code == 422
    missing = [part for part in maker.get(address).json()["parts"] if not part["there"]]
    assert [part["number"] for part in missing] == [1, 2]
    for part in missing:
        send(part)
    job = maker.post(f"{address}/complete", json={"labels": ["large"]})
    assert job.status_code == 202, job.text
    items = finished(maker, job.json()["id"])["items"]
    assert isinstance(items, list)
    assert items[0]["status"] == "stored"
    assert items[0]["artifact"] == hashlib.sha256(data).hexdigest()
    assert items[0]["path"] == "large.png"
    again = maker.post(f"{address}/complete", json={"labels": ["large"]})  # as a client whose answer was lost
    assert (again.status_code, again.json()["id"]) == (202, job.json()["id"])
    assert all(part["there"] for part in maker.get(address).json()["parts"])


def test_an_upload_can_be_aborted_and_a_too_large_one_is_refused(maker: httpx.Client) -> None:
    upload = maker.post("/api/uploads", json={"name": "x.txt", "size": 10}).json()
    assert maker.delete(f"/api/uploads/{upload['id']}").status_code == 204
    assert maker.get(f"/api/uploads/{upload['id']}").status_code == 404
    assert maker.post("/api/uploads", json={"name": "x.txt", "size": 10**12}).status_code == 413


def test_label_changes_show_in_lists_and_counts_at_once(maker: httpx.Client, viewer: httpx.Client, cat: str) -> None:
    label = f"chosen {uuid4().hex[:6]}"
    changed = maker.post(f"/api/artifacts/{cat}/labels", json={"add": [label]}).json()
    assert label in changed["labels"]
    assert viewer.get("/api/labels").json()[label] == 1
    rows = viewer.get("/api/artifacts", params={"label": label}).json()["rows"]
    assert [row["artifact"] for row in rows] == [cat]
    maker.post(f"/api/artifacts/{cat}/labels", json={"remove": [label]})
    assert label not in viewer.get("/api/labels").json()


@pytest.fixture
def smaller(maker: httpx.Client, cat: str) -> str:
    """The id of a smaller copy of the picture `cat`, stored beside it."""
    file = BytesIO()
    with Image.open(SAMPLES / "cat-and-mirror.jpg") as image:
        image.resize((image.width // 2, image.height // 2)).save(file, "JPEG")
    sent = maker.post("/api/artifacts", files={"file": ("smaller.jpg", file.getvalue())})
    items = finished(maker, sent.json()["id"])["items"]
    assert isinstance(items, list)
    return str(items[0]["artifact"])


def test_search_by_words_by_a_picture_and_by_both(viewer: httpx.Client, cat: str, smaller: str) -> None:
    def found(**query: Any) -> list[str]:
        answer = viewer.post("/api/search", json={"kinds": ["image"]} | query)
        assert answer.status_code == 200, answer.text
        return [hit["artifact"] for hit in answer.json()["hits"]]

    assert found(words="a cat at a mirror")[0] == cat
    assert cat in found(words="a cat looks into a mirror", at_least=0)
    assert found(like=cat, itself=True)[0] == cat
    assert cat not in found(like=cat)
    assert found(like=smaller)[0] == cat
    assert found(words="mirror", like=smaller)[0] == cat
    assert found(words="cat", since="2100-01-01T00:00:00Z") == []
    assert found(words="cat", labels=["no-such-label"]) == []
    pages = found(words="cat", limit=1) + found(words="cat", limit=1, offset=1)
    assert found(words="cat", limit=2) == pages
    picture = {"file": ("x.jpg", (SAMPLES / "cat-and-mirror.jpg").read_bytes())}
    sent = viewer.post("/api/search/picture", files=picture, data={"kinds": "image"})
    assert sent.json()["hits"][0]["artifact"] == cat


def test_a_too_large_body_is_refused_while_it_arrives(maker: httpx.Client) -> None:
    def endless() -> Any:
        for _ in range(100):
            yield b" " * 1024 * 1024

    answer = maker.post("/api/jobs", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_the_client_does_what_the_command_line_needs(
    address: str, maker_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway import Client
    from gateway.errors import WrongInput

    monkeypatch.setitem(os.environ, "TRIPTYCH_HOME", str(tmp_path))
    with Client(address, maker_token) as client:
        taken = client.upload([SAMPLES / "luggage.jpg"], labels=["bags"])
        assert taken[0].status in ("stored", "duplicate")
        artifact = str(taken[0].artifact)
        assert artifact in [each.artifact for each in client.artifacts(labels=["bags"])]
        assert client.download(artifact, tmp_path / "out.jpg").read_bytes() == (SAMPLES / "luggage.jpg").read_bytes()
        assert artifact in [hit.artifact for hit in client.search("baggage", kinds=["image"], limit=100)]
        told: list[float] = []
        pictures = client.generate("cat", count=1, steps=2, seed=77, progress=told.append)
        assert [picture.seed for picture in pictures] == [77]
        assert told[-1] == 1.0
        assert client.translate("Good morning.", "de")
        with pytest.raises(WrongInput, match="no-such-model"):
            client.generate("cat", model="no-such-model")
    with pytest.raises(WrongInput, match="token"):
        Client(address, "wrong").search("cat")
