"""Who may do what, for every operation of the OpenAPI document; and no body is read before the token is right.

The gateway runs here without Prefect, which none of this needs.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.gallery.app import add_gallery
from gateway.http.access import COOKIE
from gateway.http.app import create_app
from gateway.http.body_limits import OPEN_BODIES
from gateway.tokens import ROLES, Role, Tokens

LINKS = "/files/"
"""The address of a file is signed: whoever has the link may read it."""
LIBRETRANSLATE = ("/frontend/settings", "/download_file/")
"""What LibreTranslate's own server leaves open, too: settings, and documents under a name that nobody can guess."""
LIBRETRANSLATE_KEYS = ("/translate", "/detect", "/translate_file", "/languages")
"""Where a missing or wrong key has the status that LibreTranslate's own server gives it."""
MEGABYTE = 1_000_000


class Operation(NamedTuple):
    method: str
    path: str
    role: Role | None


@pytest.fixture(scope="module")
def platform(settings: Settings) -> Platform:
    return Platform(settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api", "gateway_upload_mb": 3}))


@pytest.fixture(scope="module")
def app(platform: Platform) -> FastAPI:
    app = create_app(platform)
    add_gallery(app)
    return app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(platform: Platform) -> dict[str, str]:
    created = Tokens(platform.bucket)
    people = {role: (role, "walls") for role in ROLES} | {"stranger": ("maker", "elsewhere")}
    return {
        name: created.create(f"{name}-{uuid4().hex[:6]}", role, project) for name, (role, project) in people.items()
    }  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> list[Operation]:
    found: list[Operation] = []
    for path, methods in app.openapi()["paths"].items():
        filled = re.sub(r"\{\w+\}", "0" * 64, re.sub(r"\{(job|upload|webhook)\}", str(uuid4()), path))
        found += [Operation(method.upper(), filled, entry.get("x-role")) for method, entry in methods.items()]
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_operation_is_for_the_role_that_its_documentation_names(
    client: TestClient, tokens: dict[str, str], operations: list[Operation]
) -> None:
    assert len(operations) > 25
    asked: list[tuple[Operation, str]] = []
    for operation in operations:
        if operation.role is None:
            assert operation.path in OPEN_BODIES or operation.path.startswith((LINKS, *LIBRETRANSLATE)), operation
        else:
            asked += [(operation, who) for who in ("nobody", "wrong", "viewer", "maker", "stranger", "admin")]

    def status_of(one: tuple[Operation, str]) -> int:
        (method, path, _), who = one
        project = {"project": "walls"} if who == "stranger" else {}
        headers = {} if who == "nobody" else bearer(tokens.get(who, "tt_wrong"))
        return client.request(method, path, headers=headers, json={}, params=project).status_code

    with ThreadPoolExecutor(8) as threads:  # what needs Prefect tries to reach it for a second and a half
        statuses = list(threads.map(status_of, asked))
    for ((method, path, role), who), status in zip(asked, statuses, strict=True):
        if who in (
            "nobody",
            "wrong",
        ):  # LibreTranslate has statuses of its own; an address that guesses is slowed down, Prefect is away
            expected = {401} if who == "nobody" else {401, 429}
            assert status in expected | ({400, 403, 503} if path in LIBRETRANSLATE_KEYS else set()), (
                method,
                path,
                who,
                status,
            )
            continue
        held: Role = "maker" if who == "stranger" else who  # type: ignore[assignment]
        is_allowed = ROLES.index(held) >= ROLES.index(role or "admin")
        assert (status == 403, status in (401, 500)) == (not is_allowed, False), (method, path, who, status)
        refusals = {404} if method == "GET" else {404, 503}  # some ask Prefect first whether there is room for a job
        assert who != "stranger" or not is_allowed or status in refusals, (method, path, status)
    assert client.get("/api/artifacts", headers=bearer(tokens["admin"]), params={"project": "walls"}).status_code == 200


async def ask(app: FastAPI, method: str, path: str, headers: dict[str, str], chunk: bytes = b"") -> tuple[int, int]:
    """Ask the app for a request with an endless body; return the status and how many bytes of it were read."""
    read, status = 0, 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += len(chunk) or 1
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode()}
    scope |= {"headers": raw, "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    await app({**scope, "scheme": "http", "root_path": "", "asgi": {"version": "3.0"}}, receive, send)
    return status, read


async def test_no_byte_of_a_strangers_body_is_read(
    client: TestClient, app: FastAPI, operations: list[Operation]
) -> None:
    pages = [Operation("POST", path, None) for path in ("/make", "/upload", "/collections", "/no/such/page")]
    for method, path, _ in [*operations, *pages]:
        if path in OPEN_BODIES or path.startswith(LINKS):
            continue
        for headers in (
            {"content-length": "150000000"},
            {"transfer-encoding": "chunked"},
            bearer("tt_no") | {"content-length": "9"},
        ):
            assert await ask(app, method, path, headers | {"content-type": "application/json"}) in ((401, 0), (429, 0))


async def test_bodies_are_as_large_as_their_route_says(
    client: TestClient, app: FastAPI, tokens: dict[str, str]
) -> None:
    json_body, maker = {"content-type": "application/json"}, bearer(tokens["maker"])
    chunk = b" " * 100_000
    for path in ("/api/search", "/api/webhooks", "/v1/images/generations", "/api/artifacts/00000000/labels"):
        announced = maker | json_body | {"content-length": str(2 * MEGABYTE)}
        assert await ask(app, "POST", path, announced, chunk) == (413, 0), path
        status, read = await ask(app, "POST", path, maker | json_body | {"transfer-encoding": "chunked"}, chunk)
        assert (status, read) == (413, MEGABYTE + len(chunk)), path
    for path in ("/translate", "/detect", "/sign-in"):
        form = {"content-type": "application/x-www-form-urlencoded", "transfer-encoding": "chunked"}
        status, read = await ask(app, "POST", path, form, chunk)
        assert (status, read) == (413, MEGABYTE + len(chunk)), path
    large = json.dumps({"deployment": "x", "parameters": {"text": "x" * 2 * MEGABYTE}})
    assert client.post("/api/jobs", content=large, headers=maker | json_body).status_code == 503  # it was read
    files = {"file": ("x.jpg", b"x" * 4 * MEGABYTE)}
    assert client.post("/api/search/picture", files=files, headers=maker).status_code == 413
    odd = maker | json_body | {"content-length": "12, 12"}
    assert await ask(app, "POST", "/api/search", odd) == (400, 0)


async def test_a_key_in_any_place_of_the_headers_or_the_query_permits_a_large_body(
    client: TestClient, app: FastAPI, tokens: dict[str, str]
) -> None:
    key, large = tokens["maker"], {"content-type": "application/json", "content-length": str(2 * MEGABYTE)}
    body = json.dumps({"q": " " * 2 * MEGABYTE, "source": "en"})
    places = [{"X-API-Key": key}, {"api-key": key}, {"Authorization": key}, bearer(key), {"Cookie": f"{COOKIE}={key}"}]
    for place in places:
        answer = client.post("/translate", content=body, headers=place | {"content-type": "application/json"})
        # It was read: the text is too long for its field, and no language to translate to is named.
        assert (answer.status_code, "is not right" in answer.text) == (400, True), (place, answer.text)
        spoilt = {name: value.replace(key, "tt_no") for name, value in place.items()}
        assert await ask(app, "POST", "/translate", spoilt | large) == (413, 0), place
    in_query = client.post("/translate", content=body, params={"api_key": key})
    assert (in_query.status_code, "is not right" in in_query.text) == (400, True), in_query.text
    # Other routes know the bearer header and the cookie alone.
    for place in places[:3]:
        assert await ask(app, "POST", "/api/artifacts", place | large) in ((401, 0), (429, 0)), place


async def test_forms_of_the_gallery_are_for_the_role_of_the_person_who_is_signed_in(
    client: TestClient, app: FastAPI, tokens: dict[str, str]
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", "content-length": "9"}
    for path in ("/make", "/collections", f"/artifacts/{'0' * 64}/labels"):
        assert await ask(app, "POST", path, form | {"Cookie": f"{COOKIE}={tokens['viewer']}"}) == (403, 0), path
        _, read = await ask(app, "POST", path, form | {"Cookie": f"{COOKIE}={tokens['maker']}"}, b"x" * MEGABYTE)
        assert read > 0, path
        large = form | {"content-length": str(2 * MEGABYTE)}
        assert await ask(app, "POST", path, large | {"Cookie": f"{COOKIE}={tokens['maker']}"}) == (413, 0), path


def test_a_wrong_token_is_counted_once(app: FastAPI, client: TestClient) -> None:
    guessing = TestClient(app, raise_server_exceptions=False, client=("192.0.2.7", 1))
    for headers in ({"X-API-Key": "tt_no"}, bearer("tt_no")):  # where admission looks, too
        statuses = [guessing.post("/detect", json={"q": "x"}, headers=headers).status_code for _ in range(29)]
        assert {*statuses} == {403}
    for path, sent in (("/sign-in", {"data": {"token": "tt_no"}}), ("/api/search", {"headers": bearer("tt_no")})):
        assert guessing.post(path, **sent).status_code in (401, 403)  # type: ignore[arg-type]
    assert guessing.post("/api/search", json={}, headers=bearer("tt_no")).status_code == 429


async def test_an_upload_is_refused_before_it_is_sent_while_no_job_can_be_started(
    client: TestClient, tokens: dict[str, str]
) -> None:
    for path in ("/api/artifacts", "/v1/audio/transcriptions", "/v1/images/edits"):
        answer = client.post(path, files={"file": ("x.jpg", b"x")}, headers=bearer(tokens["maker"]))
        assert answer.status_code == 503, answer.text


def test_right_tokens_get_in_behind_an_address_that_guesses(client: TestClient, tokens: dict[str, str]) -> None:
    wrong = [client.post("/sign-in", data={"token": "tt_no"}).status_code for _ in range(70)]
    assert {*wrong} == {403, 429}
    assert client.get("/api/artifacts", headers=bearer("tt_guess")).status_code == 429
    signed_in = client.post("/sign-in", data={"token": tokens["viewer"]})
    assert (signed_in.status_code, COOKIE in signed_in.cookies) == (303, True)
    client.cookies.clear()
    assert client.get("/api/artifacts", headers=bearer(tokens["viewer"])).status_code == 200


def test_a_token_in_a_field_is_looked_for_in_its_own_routes_alone(client: TestClient, tokens: dict[str, str]) -> None:
    key = tokens["maker"]
    # LibreTranslate's own status is 400 for a missing text and for a missing key, and 403 for a wrong key.
    for has_key in ({"json": {"api_key": key}}, {"params": {"api_key": key}, "json": {}}):
        answer = client.post("/detect", **has_key)
        assert (answer.status_code, "token" in answer.text) == (400, False), answer.text
    missing = client.post("/detect", json={})
    assert (missing.status_code, "A token is needed" in missing.text) == (400, True), missing.text
    assert client.post("/detect", json={"api_key": "tt_no"}).status_code in (403, 429)
    assert client.post("/api/search", params={"api_key": key}, json={"words": "x", "api_key": key}).status_code == 401


def test_the_cookie_is_secure_behind_a_proxy_that_speaks_tls(
    app: FastAPI, client: TestClient, tokens: dict[str, str]
) -> None:
    for scheme, is_secure in (("https", True), ("http", False)):
        answer = client.post(f"{scheme}://gallery.example.org/sign-in", data={"token": tokens["viewer"]})
        client.cookies.clear()
        assert ("secure" in answer.headers["set-cookie"].lower()) == is_secure


def test_a_query_leaves_nothing_in_the_bucket(client: TestClient, tokens: dict[str, str], platform: Platform) -> None:
    def stored() -> list[str]:
        return [found.key for found in platform.bucket.objects("walls/")]

    before, words = stored(), f"a question that nobody asked before {uuid4()}"
    request = {"input": [words, "another"], "role": "query"}
    answer = client.post("/v1/embeddings", json=request, headers=bearer(tokens["viewer"]))
    assert answer.status_code == 200, answer.text
    assert len({tuple(each["embedding"]) for each in answer.json()["data"]}) == 2
    assert client.post("/api/search", json={"words": words}, headers=bearer(tokens["viewer"])).status_code == 200
    assert stored() == before
