"""Authentication and authorization over HTTP: tokens, cookies, roles, and the isolation of projects."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.http.access import COOKIE
from gateway.tokens import Tokens

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
READS = {
    *("/api/search", "/api/search/picture", "/v1/embeddings", "/detect", "/translate", "/translate_file"),
    *("/api/ask", "/api/ask/feedback", "/v1/chat/completions", "/api/classify"),
    "/api/artifacts/{artifact}/interactions",
}
"""POST routes that only read, or keep what a viewer thinks of an answer or did with an artifact."""
OF_ONESELF = {"/api/suggestions/mine"}
"""What everybody deletes of themselves."""
OPEN = {"/languages", "/frontend/settings"}
"""What LibreTranslate's clients read before they have a key."""
AS_LIBRETRANSLATE = {"/detect", "/translate", "/translate_file", "/download_file/{filename}"}
"""A missing key, and the name of no file, is a wrong request there: 400."""

SIGNED = {"/files/{project}/{artifact}/{name}"}
"""The address of a file needs a signature instead of a token, and says nothing to whoever has none."""


def operations(address: str) -> Iterator[tuple[str, str, str]]:
    """Yield method, path template, and the path with ids that do not exist."""
    document = httpx.get(f"{address}/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            filled = re.sub(r"\{(job|upload|webhook)\}", str(uuid4()), path)
            yield method.upper(), path, re.sub(r"\{\w+\}", "0" * 64, filled)


def test_every_operation_refuses_requests_without_a_token(address: str) -> None:
    asked = list(operations(address))
    assert len(asked) >= 10
    for method, pattern, path in asked:
        answer = httpx.request(method, f"{address}{path}")
        expected = (
            200 if pattern in OPEN else 400 if pattern in AS_LIBRETRANSLATE else 403 if pattern in SIGNED else 401
        )
        assert answer.status_code == expected, (method, path, answer.text)
        told = "filename" if pattern.startswith("/download_file/") else "link" if pattern in SIGNED else "token"
        assert expected == 200 or told in answer.text
    wrong = httpx.get(f"{address}/api/artifacts", headers={"Authorization": "Bearer tt_wrong"})
    assert wrong.status_code == 401


def test_a_link_that_is_not_signed_learns_nothing(address: str, viewer: httpx.Client, cat: str) -> None:
    for path in (f"api/{cat}/cat.jpg", f"API!/{cat}/cat.jpg", "api/cat/cat.jpg", f"api/{'0' * 64}/cat.jpg"):
        for query in ("", "?expires=9999999999", f"?expires=x&signature={'0' * 64}", "?expires=-1&signature=%C3%A9"):
            answers = [client.get(f"{address}/files/{path}{query}") for client in (httpx, viewer)]
            assert {answer.status_code for answer in answers} == {403}, path
            assert {answer.text for answer in answers} == {
                '{"error":"The link is not one of this gateway: ask for a new one."}'
            }


def test_a_viewer_can_only_read(address: str, viewer: httpx.Client) -> None:
    for method, pattern, path in operations(address):
        if method != "GET" and pattern not in READS | OF_ONESELF:
            answer = viewer.request(method, path)
            assert answer.status_code == 403, (method, path, answer.text)


def test_artifacts_and_jobs_of_another_project_are_not_found(
    stranger: httpx.Client, cat: str, maker: httpx.Client
) -> None:
    job = maker.get("/api/jobs").json()[0]["id"]
    for path in (
        f"/api/artifacts/{cat}",
        f"/api/artifacts/{cat}/lineage",
        f"/api/artifacts/{cat}/download",
        f"/api/artifacts/{cat}/thumbnail",
        f"/api/jobs/{job}",
        f"/api/jobs/{job}/result",
        f"/api/jobs/{job}/events",
        "/api/artifacts?project=api",
    ):
        assert stranger.get(path).status_code == 404, path
    assert stranger.post(f"/api/jobs/{job}/cancel").status_code == 404
    assert stranger.get("/api/artifacts").json()["rows"] == []
    hits = stranger.post("/api/search", json={"words": "cat"}).json()["hits"]
    assert hits == []
    assert stranger.post("/api/search", json={"words": "cat", "project": "api"}).status_code == 404
    order = {"deployment": "generate-images", "parameters": {"order": {"prompt": "cat", "project": "api"}}}
    assert stranger.post("/api/jobs", json=order).status_code == 404


def test_a_token_is_shown_once_and_invalid_after_it_was_revoked(
    stack_home: Path, stack_settings: Settings, address: str
) -> None:
    def triptych(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli.main", *arguments, "--json"],
            env=os.environ | {"TRIPTYCH_HOME": str(stack_home)},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    name = f"ada-{uuid4().hex[:6]}"
    token = triptych("token", "create", "--name", name, "--role", "viewer", "--project", "api")["token"]
    assert httpx.get(f"{address}/api/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert "already" in triptych("token", "create", "--name", name, "--role", "viewer")
    assert "There is no role" in triptych("token", "create", "--name", "x", "--role", "owner")
    listed = triptych("token", "list")
    assert name in [each["name"] for each in listed["tokens"]]
    assert token not in json.dumps(listed)
    bucket = Platform(stack_settings).bucket
    kept = b"".join(bucket.get(found.key) + found.key.encode() for found in bucket.objects("gateway/tokens/"))
    assert token.encode() not in kept
    triptych("token", "revoke", name)
    assert Tokens(bucket).find_person(token) is None


def test_a_cookie_authenticates_but_not_for_writes_from_other_origins(address: str, maker_token: str) -> None:
    with httpx.Client(base_url=address, cookies={COOKIE: maker_token}) as browser:
        assert browser.get("/api/jobs").status_code == 200
        order = {"deployment": "no-such-deployment"}
        assert browser.post("/api/jobs", json=order, headers={"Origin": address}).status_code == 404
        elsewhere = {"Origin": "http://127.0.0.1:1"}
        assert browser.post("/api/jobs", json=order, headers=elsewhere).status_code == 401


def test_makers_cannot_start_model_deployments_or_ingest_bucket_keys(maker: httpx.Client) -> None:
    offered = {each["name"] for each in maker.get("/api/deployments").json()}
    assert offered >= {"generate-images", "transcribe-audio", "translate-text"}
    assert "gpu" not in offered
    for name in ("answer-requests/gpu", "ingest"):
        values = {"keys": ["default/blobs/x"], "work": {}}
        assert maker.post("/api/jobs", json={"deployment": name, "parameters": values}).status_code == 403
