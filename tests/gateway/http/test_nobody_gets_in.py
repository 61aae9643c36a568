"""Every port of the stack's processes refuses clients without credentials, and no secret leaks into logs or records."""

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest
import websockets.sync.client
from websockets.exceptions import WebSocketException

from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import Settings, load_settings, stack_file
from gateway.cli.dispatch import run_deployment
from gateway.cli.uploads import drop_into_inbox
from gateway.http.body_limits import api_routes
from gateway.server import create
from stack import lifecycle
from stack.processes import running_process

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
REFUSALS = {400, 401, 403, 404, 405, 426}
OPEN = {
    "s3": {"/healthz", "/status"},  # S3 and filer: empty; volume: disk use and volume numbers
    "prefect": {"/api/health", "/api/ready"},
    "gateway": {"/health", "/openapi.json", "/docs", "/sign-in", "/sign-out", "/preferences"}
    | {"/languages", "/frontend/settings"},
}
"""Paths that answer without credentials: health checks, and the static files of pages."""
LIBRETRANSLATE = {"/detect", "/translate", "/translate_file", "/download_file/filename"}
PATHS = (
    *("/", "/healthz", "/health", "/status", "/metrics", "/debug/pprof/", "/ui/index.html", "/stats/counter"),
    *("/cluster/status", "/dir/status", "/dir/assign", "/dir/lookup?volumeId=1", "/vol/status", "/triptych/"),
    *("/buckets/triptych/?pretty=y", "/?list-type=2", "/1,01637037d6", "/api/health", "/api/ready", "/api/version"),
)


@pytest.fixture(scope="module")
def settings(stack_home: Path) -> Settings:
    """The settings of the session's stack."""
    return load_settings(stack_home)


def processes(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Yield every process of the stack with the name of its part."""
    for part in lifecycle.status(home).parts:
        found = running_process(home, part.name)
        assert found is not None, part.name
        for process in (found, *found.children(recursive=True)):
            yield part.name, process


def listening(home: Path) -> set[tuple[str, str, int]]:
    """Return part, IP address and port of every listening socket."""
    found: set[tuple[str, str, int]] = set()
    for part, process in processes(home):
        with suppress(psutil.NoSuchProcess):
            sockets = process.net_connections("inet")
            found |= {(part, c.laddr.ip, c.laddr.port) for c in sockets if c.status == psutil.CONN_LISTEN}
    return found


def answered(port: int, path: str, scheme: str) -> int | None:
    """Return the status that an anonymous client gets, or None if the port does not speak HTTP."""
    try:
        return httpx.get(f"{scheme}://127.0.0.1:{port}{path}", timeout=5, verify=False).status_code
    except httpx.HTTPError:
        return None


def http2_reply(port: int, context: ssl.SSLContext | None) -> bytes:
    """Return a server's reply to the HTTP/2 connection preface of gRPC clients."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        line = context.wrap_socket(raw) if context else raw
        with line:
            line.sendall(preface)
            return line.recv(64)
    return b""


def test_all_ports_listen_on_loopback_only(stack_home: Path) -> None:
    found = listening(stack_home)
    assert {part for part, _, _ in found} >= {"s3", "postgres", "prefect", "gateway"}
    assert {address for _, address, _ in found} == {"127.0.0.1"}


def test_no_port_answers_an_anonymous_client(stack_home: Path) -> None:
    asked = [
        (part, port, path, scheme)
        for part, _, port in listening(stack_home)
        for path in PATHS
        for scheme in ("http", "https")
        if path not in OPEN.get(part, ()) and not (path == "/" and part in ("prefect", "gateway"))
    ]
    with ThreadPoolExecutor(16) as threads:  # some ports do not reply until the timeout
        statuses = list(threads.map(lambda one: answered(*one[1:]), asked))
    let_in = [(*one, status) for one, status in zip(asked, statuses, strict=True) if status not in {*REFUSALS, None}]
    # Prefect serves its single-page app at any path; the app has no data and asks for the password.
    assert [entry for entry in let_in if entry[0] != "prefect"] == []
    assert {status for *_, status in let_in} <= {200}


def test_grpc_requires_a_client_certificate(stack_home: Path) -> None:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2"])
    ports = {port for part, _, port in listening(stack_home) if part == "s3"}
    assert len(ports) >= 9
    for port in ports:
        # The first frame of a server that speaks HTTP/2 is SETTINGS: type 4.
        assert http2_reply(port, None)[3:4] != b"\x04", port
        assert http2_reply(port, anybody)[3:4] != b"\x04", port


def test_s3_refuses_anonymous_requests(settings: Settings) -> None:
    address = f"http://{settings.s3_endpoint}"
    for method, path in (
        ("GET", "/triptych"),
        ("PUT", "/triptych/tmp/x"),
        ("DELETE", "/triptych/tmp/x"),
        ("PUT", "/new"),
    ):
        assert httpx.request(method, f"{address}{path}").status_code == 403
    assert httpx.post(f"{address}/", data={"Action": "CreateUser"}).status_code in (400, 403)


def test_postgres_refuses_missing_and_wrong_passwords(settings: Settings) -> None:
    dsn = settings.postgres_dsn.get_secret_value()
    host = dsn.rsplit("@", 1)[1]
    for attempt in (
        f"postgresql://postgres@{host}",
        f"postgresql://postgres:wrong@{host}",
        f"postgresql://root@{host}",
    ):
        with pytest.raises(psycopg.OperationalError, match=r"password|role"):
            psycopg.connect(attempt, connect_timeout=5)


def test_every_route_of_the_prefect_server_requires_the_password(settings: Settings) -> None:
    api = api_of(settings)
    with api.client() as known, httpx.Client(base_url=api.url.removesuffix("/api"), timeout=30) as anybody:
        paths: dict[str, Any] = known.get("/openapi.json").json()["paths"]
        assert len(paths) > 100
        for path, methods in paths.items():
            address = f"/api{path.removeprefix('/api')}".replace("{id}", str(uuid4()))
            for method in methods:
                if path.removeprefix("/api") not in ("/health", "/ready"):
                    assert anybody.request(method, address, json={}).status_code in (401, 403), (method, path)
        assert anybody.get("/api/openapi.json").status_code in (401, 403)


def first_word(address: str, subprotocols: Any) -> Any:
    """Return the first message of a server after a wrong password."""
    with websockets.sync.client.connect(address, subprotocols=subprotocols, open_timeout=5) as line:
        line.send(json.dumps({"type": "auth", "token": "wrong"}))
        return line.recv(timeout=5)


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
def test_the_websockets_of_the_prefect_server_require_the_password(settings: Settings, path: str) -> None:
    address = f"{settings.prefect_api_url}{path}".replace("http:", "ws:")
    for subprotocols in (None, ["prefect"]):
        with pytest.raises((WebSocketException, OSError)):
            first_word(address, subprotocols)


def test_every_route_of_the_gateway_requires_a_token(
    stack_home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_HOME", str(stack_home))
    app = create()
    routes = [*api_routes(app.routes), *(route for route in app.routes if hasattr(route, "methods"))]
    assert len(routes) > 40
    let_in: set[str] = set()
    with httpx.Client(base_url=str(settings.gateway_url), timeout=30) as anybody:
        for route in routes:
            address = route.path.replace("{", "").replace("}", "")
            for method in route.methods or ():
                # LibreTranslate's own status for a missing key, and for the name of no file, is 400.
                refusals = (400, 401, 403) if address in LIBRETRANSLATE else (401, 403)
                if anybody.request(method, address).status_code not in refusals:
                    let_in.add(address)
    assert let_in <= OPEN["gateway"]


def secrets_of(home: Path) -> dict[str, str]:
    """Return every secret of the stack by its name; S3 access keys are part of presigned URLs and not secret."""
    lines = dict(line.split("=", 1) for line in stack_file(home).read_text(encoding="utf-8").splitlines())
    found = {
        name: value
        for name, value in lines.items()
        if name.endswith(("SECRET_KEY", "PASSWORD", "TOKEN", "AUTH_STRING")) and value
    }
    assert len(found) >= 7
    password = found["TRIPTYCH_PREFECT_AUTH_STRING"]
    return found | {"encoded": b64encode(password.encode()).decode(), "bare": password.partition(":")[2]}


def leaked(text: str, secrets: dict[str, str]) -> set[str]:
    return {name for name, value in secrets.items() if value in text}


def test_no_secret_appears_in_a_process_list_a_log_or_an_artifact(
    stack_home: Path, settings: Settings, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text(f"A note about {uuid4()} that nobody else wrote.\n", encoding="utf-8")
    drop_into_inbox(Platform(settings).bucket, [note])
    secrets = secrets_of(stack_home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIPTYCH_HOME", str(stack_home))
        run_deployment("process-inbox", {"project": "default"}, "default", lambda _: None)
    for part, process in processes(stack_home):
        with suppress(psutil.NoSuchProcess):
            assert leaked(" ".join(process.cmdline()), secrets) == set(), part
    logs = list((stack_home / "logs").glob("*.log"))
    assert {log.stem for log in logs} >= {"s3", "postgres", "prefect", "worker-cpu", "gateway"}
    for log in logs:
        assert leaked(log.read_text(encoding="utf-8", errors="replace"), secrets) == set(), log.name
    with api_of(settings).client() as api:
        for kind in ("logs", "artifacts", "flow_runs", "deployments", "work_pools", "task_runs", "events", "variables"):
            text = api.post(f"/{kind}/filter", json={}).text
            assert leaked(text, secrets) == set(), kind
        assert len(api.post("/logs/filter", json={}).json()) > 0
        assert len(api.post("/artifacts/filter", json={}).json()) > 0


def test_files_with_secrets_are_readable_by_their_owner_alone(stack_home: Path) -> None:
    secrets = secrets_of(stack_home)
    for path in (*stack_home.glob("*"), *(stack_home / "run").rglob("*")):
        if path.is_file() and leaked(path.read_text(encoding="utf-8", errors="replace"), secrets):
            assert path.stat().st_mode & 0o077 == 0, path
