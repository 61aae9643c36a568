"""The gallery over HTTP: byte ranges, security headers, cross-site requests, and access between projects."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from flows.ingest import store_file
from flows.library.labelling import update_labels
from flows.library.reading.contents import read_contents
from flows.running.platform import Platform, Space
from flows.running.settings import Settings
from gateway.gallery.parts.cards import card_of_hit
from gateway.tokens import Role, Tokens
from storage.index.parts import Hit
from storage.labels import HOLD, TRASH
from storage.records import ArtifactRecord
from tests.media.made.documents import pdf
from tests.media.made.films import film
from tests.media.made.live_photos import apple_live_photo
from tests.media.made.pictures import half_and_half
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SOUND = SAMPLES / "weather.wav"


@pytest.fixture(scope="module")
def space(stack_settings: Settings) -> Space:
    return Platform(stack_settings).space(f"pages-{uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def recording(space: Space) -> ArtifactRecord:
    return store_file(space, SOUND, SOUND.name)[0]


@pytest.fixture(scope="module")
def browse(stack_settings: Settings, space: Space) -> Iterator[Callable[..., httpx.Client]]:
    """Make HTTP clients that are signed in with a role by cookie."""
    open_ones: list[httpx.Client] = []

    def browser(role: Role, project: str = space.project) -> httpx.Client:
        name = f"{role}-{uuid4().hex[:8]}"
        token = Tokens(space.platform.bucket).create(name, role, project)
        headers = {"Accept": "text/html"}
        cookies = {"triptych_token": token}
        open_ones.append(httpx.Client(base_url=str(stack_settings.gateway_url), headers=headers, cookies=cookies))
        open_ones[-1].timeout = 60
        return open_ones[-1]

    yield browser
    for client in open_ones:
        client.close()


def test_a_player_gets_the_byte_range_that_it_requests(
    browse: Callable[..., httpx.Client], recording: ArtifactRecord
) -> None:
    client, address, data = browse("viewer"), f"/content/{recording.artifact.sha256}", SOUND.read_bytes()
    whole = client.get(address)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, data, "audio/wav")
    for asked, expected in (("0-99", data[:100]), ("100-", data[100:]), ("-50", data[-50:])):
        part = client.get(address, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, expected)
    start = len(data) - 50
    assert part.headers["content-range"] == f"bytes {start}-{len(data) - 1}/{len(data)}"
    for asked in (f"{len(data)}-", "9-3", "-0"):
        assert client.get(address, headers={"Range": f"bytes={asked}"}).status_code == 416


def test_an_uploaded_html_file_is_sent_as_a_download(browse: Callable[..., httpx.Client], space: Space) -> None:
    text = store_file(space, SAMPLES / "autumn-market.txt", "market.html")[0]
    answer = browse("viewer").get(f"/content/{text.artifact.sha256}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_allow_only_the_gallerys_own_scripts_and_escape_names(
    browse: Callable[..., httpx.Client], space: Space
) -> None:
    name = '<script>alert("x")</script>.txt'
    text = store_file(space, SAMPLES / "herbstmarkt.md", name)[0]
    page = browse("maker").get(f"/artifacts/{text.artifact.sha256}?q=<script>")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>alert" not in page.text
    assert " style=" not in page.text


def test_a_form_of_another_site_is_refused(
    browse: Callable[..., httpx.Client], space: Space, recording: ArtifactRecord
) -> None:
    client, artifact = browse("maker"), recording.artifact.sha256
    for origin in ("https://elsewhere.example", "http://127.0.0.1:1", "null"):
        forged = {"Origin": origin}
        assert client.post(f"/artifacts/{artifact}/labels", data={"add": "forged"}, headers=forged).status_code == 401
        assert client.post("/sign-out", headers=forged).status_code == 403
        assert client.post("/preferences", data={"theme": "dark"}, headers=forged).status_code == 403
    assert "forged" not in space.labels.of(recording)
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post(f"/artifacts/{artifact}/labels", data={"add": "ours"}, headers=own).status_code == 303
    assert "ours" in space.labels.of(recording)


def test_other_projects_see_nothing_and_viewers_change_nothing(
    browse: Callable[..., httpx.Client], recording: ArtifactRecord
) -> None:
    artifact = recording.artifact.sha256
    stranger, viewer = browse("maker", "somewhere-else"), browse("viewer")
    for path in (f"/artifacts/{artifact}", f"/content/{artifact}", f"/captions/{artifact}", f"/?like={artifact}"):
        assert SOUND.name not in stranger.get(path).text
    assert stranger.get(f"/artifacts/{artifact}").status_code == 404
    assert stranger.get(f"/content/{artifact}").status_code == 404
    assert viewer.get(f"/artifacts/{artifact}").status_code == 200
    for path in (f"/artifacts/{artifact}/labels", f"/artifacts/{artifact}/verdict", "/collections", "/make"):
        assert viewer.post(path, data={"add": "x", "verdict": "selected", "name": "x"}).status_code == 403
    nobody = httpx.get(f"{viewer.base_url}/artifacts/{artifact}", headers={"Accept": "text/html"})
    assert (nobody.status_code, nobody.headers["location"]) == (303, f"/sign-in?back=%2Fartifacts%2F{artifact}")


def test_makers_delete_from_the_page_and_undo_it_and_what_is_on_hold_stays(
    browse: Callable[..., httpx.Client], space: Space, tmp_path: Path
) -> None:
    note = tmp_path / f"{uuid4().hex}.txt"
    note.write_text(f"A note that is deleted: {note.name}\n", encoding="utf-8")
    record = store_file(space, note, note.name)[0]
    address = f"/artifacts/{record.artifact.sha256}"
    maker, viewer = browse("maker"), browse("viewer")
    assert f'action="{address}/delete"' in maker.get(address).text
    assert "/delete" not in viewer.get(address).text
    assert viewer.post(f"{address}/delete").status_code == 403
    assert browse("maker", "somewhere-else").post(f"{address}/delete").status_code == 404
    forged = maker.post(f"{address}/delete", headers={"Origin": "https://elsewhere.example"})
    assert (forged.status_code, TRASH in space.labels.of(record)) == (401, False)

    assert maker.post(f"{address}/delete").headers["location"] == address
    page = maker.get(address).text
    assert (f'action="{address}/undelete"' in page, f'action="{address}/delete"' in page) == (True, False)
    assert "It is in the trash until 20" in page
    assert record.name not in maker.get("/").text
    assert record.name in maker.get("/", params={"label": TRASH}).text
    assert maker.post(f"{address}/undelete").headers["location"] == address
    assert record.name in maker.get("/").text

    update_labels(space, record.artifact.sha256, add=[HOLD])
    held = maker.post(f"{address}/delete")
    assert (held.status_code, "is on hold" in held.text) == (422, True)
    assert TRASH not in space.labels.of(record)


@pytest.mark.parametrize("back", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "x"])
def test_signing_in_redirects_only_to_local_addresses(browse: Callable[..., httpx.Client], back: str) -> None:
    answer = browse("viewer").get("/sign-in", params={"back": back})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("query", ["page=99", "kind=nothing", "within=x", "after=never", "like=zz", f"q={'x' * 2001}"])
def test_an_invalid_query_is_answered_with_a_sentence(browse: Callable[..., httpx.Client], query: str) -> None:
    answer = browse("viewer").get(f"/?{query}")
    assert answer.status_code in (200, 422)
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text


def test_the_page_of_a_silent_film_has_a_player_a_poster_and_its_scenes(
    browse: Callable[..., httpx.Client], space: Space, tmp_path: Path
) -> None:
    path = film(tmp_path / "holiday.mp4", [(200, 0, 0), (0, 0, 200)], codec="libx264")
    record = store_file(space, path, "holiday.mp4")[0]
    read_contents(space, record.artifact, path)
    client, address = browse("viewer"), f"/artifacts/{record.artifact.sha256}"
    page = client.get(address, params={"at": "2"}).text
    assert f'poster="/previews/{record.artifact.sha256}"' in page
    assert page.count("data-seek=") == 2
    assert "It has no sound." in page
    colours: list[object] = []
    for query in ({}, {"at": "0.1"}, {"at": "5"}):
        answer = client.get(f"/api{address}/thumbnail", params={"side": "128"} | query)
        with Image.open(io.BytesIO(answer.content)) as picture:
            colours.append("red" if picture.getpixel((60, 50))[0] > 150 else "blue")  # pyright: ignore
    assert colours == ["red", "red", "blue"]
    assert f"/api{address}/thumbnail" in client.get("/").text


def test_the_page_of_a_live_photo_has_its_film_in_a_player_and_the_library_shows_it_once(
    browse: Callable[..., httpx.Client], space: Space, tmp_path: Path
) -> None:
    files = apple_live_photo(tmp_path, half_and_half(), uuid4().hex, [(200, 0, 0)])
    still, motion = (store_file(space, path, path.name)[0].artifact.sha256 for path in files)
    client = browse("viewer")
    page = client.get(f"/artifacts/{still}").text
    assert f'src="/content/{motion}"' in page
    assert "data-player" in page
    assert f'href="/artifacts/{still}"' in client.get(f"/artifacts/{motion}").text
    library = client.get("/").text
    assert f'href="/artifacts/{still}"' in library
    assert f'href="/artifacts/{motion}"' not in library
    assert f'href="/artifacts/{motion}"' in client.get("/", params={"kind": "speech"}).text
    assert client.get(f"/api/artifacts/{motion}").json()["live_photo"] == {"picture": still, "film": motion}


def test_the_page_of_a_document_has_a_heading_for_each_page_that_a_hit_opens_at(
    browse: Callable[..., httpx.Client], space: Space, tmp_path: Path
) -> None:
    (tmp_path / "ice.pdf").write_bytes(pdf())
    record = store_file(space, tmp_path / "ice.pdf", "ice.pdf")[0]
    read_contents(space, record.artifact, tmp_path / "ice.pdf")
    page = browse("viewer").get(f"/artifacts/{record.artifact.sha256}", params={"place": "page=2", "q": "fjords"}).text
    assert '<section id="page=2"><h2>Page 2</h2><p><mark>Fjords</mark> are drowned valleys.</p>' in page
    hit = Hit(
        artifact=record.artifact.sha256,
        name="ice.pdf",
        kind="text",
        score=1.0,
        text="Fjords",
        start_seconds=None,
        end_seconds=None,
        place="page=2",
    )
    assert card_of_hit(hit, "").address.endswith("?place=page%3D2#page=2")


def test_the_page_that_translates_shows_the_answer_and_why_it_may_be_wrong(
    browse: Callable[..., httpx.Client], stack_settings: Settings
) -> None:
    client = browse("viewer")
    assert 'href="/translation"' in client.get("/translation").text
    origin = {"Origin": str(stack_settings.gateway_url).rstrip("/")}
    sent = client.post("/translation", data={"text": "Good morning.\r\n<b>", "target": "de"}, headers=origin)
    assert "<p>Guten Morgen.</p>" in sent.text
    assert "Detected: English" in sent.text
    unsure = client.post("/translation", data={"text": "Counterparties subrogate.", "target": "de"}, headers=origin)
    assert "This may be wrong:" in unsure.text
    refused = client.post("/translation", data={"text": "Hello there", "target": "xx"}, headers=origin)
    assert (refused.status_code, "No model translates" in refused.text) == (422, True)
