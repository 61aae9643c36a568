"""What a maker does in a day, by requests alone: gateway and workers need no right that their S3 identities lack.

Other tests arrange things as the administrator of the S3 server, who may do everything.
"""

from collections.abc import Iterator
from io import BytesIO
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from tests.gateway.conftest import NewToken, client_of, finished
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def person(address: str, new_token: NewToken) -> Iterator[httpx.Client]:
    """A maker of a project of the test's own."""
    with client_of(address, new_token("maker", f"day-{uuid4().hex[:8]}")) as client:
        yield client


def picture(colour: str, side: int = 64) -> bytes:
    file = BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def ingested(person: httpx.Client, files: dict[str, bytes]) -> list[str]:
    """Upload files and follow the events of the job to its end; return the ids of the artifacts."""
    sent = person.post("/api/artifacts", files=[("file", named) for named in files.items()])
    assert sent.status_code == 202, sent.text
    items = finished(person, sent.json()["id"])["items"]
    assert isinstance(items, list)
    assert {item["status"] for item in items} <= {"stored", "duplicate"}, items
    ids = {item["path"]: str(item["artifact"]) for item in items}
    return [ids[name] for name in files]


def test_what_people_do_in_a_day_needs_no_right_that_gateway_and_workers_lack(
    person: httpx.Client,
) -> None:
    text, sound = b"The market is full of pumpkins in autumn.", (SAMPLES / "weather.wav").read_bytes()
    files = {"red.png": picture("red"), "blue.png": picture("blue"), "note.txt": text, "weather.wav": sound}
    red, blue, note, speech = ingested(person, files)
    hits = person.post("/api/search", json={"words": "pumpkins", "at_least": 0}).json()["hits"]
    assert note in [hit["artifact"] for hit in hits]
    by_picture = person.post("/api/search/picture", files={"file": ("red.png", picture("red", 65))})
    assert by_picture.status_code == 200, by_picture.text

    assert person.post(f"/api/artifacts/{red}/labels", json={"add": ["warm"]}).json()["labels"] == ["warm"]
    assert person.post(f"/artifacts/{blue}/verdict", data={"verdict": "selected"}).status_code == 303
    assert person.get("/api/labels").json()["warm"] == 1
    place = person.post("/collections", data={"name": "Colours", "artifact": red}).headers["location"]
    assert place == f"/artifacts/{red}"
    collection = next(line for line in person.get("/collections").text.split('"') if line.startswith("/collections/"))
    assert person.post(collection, data={"remove": red}).status_code == 303
    assert person.post(collection, data={"forget": "1"}).status_code == 303

    for artifact in (red, speech):
        assert person.delete(f"/api/artifacts/{artifact}").status_code == 200
        assert person.post(f"/api/artifacts/{artifact}/undelete").status_code in (200, 204)
    assert person.delete(f"/api/artifacts/{note}").status_code == 200
    assert ingested(person, {"note.txt": text}) == [note], "out of the trash"
    rows = {row["artifact"] for row in person.get("/api/artifacts").json()["rows"]}
    assert rows >= {red, blue, note, speech}
    assert person.get(f"/api/artifacts/{blue}/thumbnail", follow_redirects=True).status_code == 200
    assert person.get(f"/captions/{speech}").status_code == 200
    assert person.get(f"/api/artifacts/{red}/lineage").status_code == 200

    made = person.post("/v1/images/generations", json={"prompt": "pine tree", "n": 1, "size": "64x64", "seed": 3})
    assert made.status_code == 200, made.text
    heard = person.post("/v1/audio/transcriptions", files={"file": ("w.wav", sound)})
    assert heard.status_code == 200, heard.text
    said = person.post("/translate", json={"q": "Good morning.", "source": "en", "target": "de"})
    assert said.status_code == 200, said.text
    document = person.post(
        "/translate_file", data={"source": "en", "target": "de"}, files={"file": ("a.txt", b"Good morning.")}
    )
    assert document.status_code == 200, document.text
    assert person.get(document.json()["translatedFileUrl"]).status_code == 200
    hook = person.post("/api/webhooks", json={"url": "https://example.org/hook"})
    assert hook.status_code in (200, 201), hook.text
    assert person.delete(f"/api/webhooks/{hook.json()['id']}").status_code in (200, 204)
    aborted = person.post("/api/uploads", json={"name": "x.txt", "size": 10}).json()["id"]
    assert person.delete(f"/api/uploads/{aborted}").status_code == 204
