"""A model hub on this machine that speaks the HTTP of the Hugging Face hub, with the faults that a test asks for."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 4096
"""Files from this size on are LFS files: the hub publishes their sha256 and redirects to a storage server."""
GOOD_TOKEN = "hf_granted"
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?$")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")


@dataclass
class Repository:
    """The files of each commit, newest last; the branch main is the newest one."""

    commits: dict[str, dict[str, bytes]]
    licence: str
    is_gated: bool = False


@dataclass
class LocalHub:
    """What is on the hub, what was asked of it, and the faults of the next downloads."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and Range header of each request."""
    cut_after: list[int] = field(default_factory=list)
    """The next downloads end after so many bytes, one each."""
    busy: int = 0
    """So many of the next requests are answered with 429, each with a Retry-After of one second."""
    knows_ranges: bool = True
    claimed_size: int = 0
    """Where it is not 0: what every large file is said to have."""
    is_portal: bool = False
    """Everything is answered with a page, as by the portal of a network that one must sign in to."""
    damaged: set[str] = field(default_factory=set)
    """Paths whose bytes arrive changed."""

    def publish(self, name: str, files: dict[str, bytes], licence: str = "mit", *, is_gated: bool = False) -> str:
        """Add a commit and return it."""
        known = self.repositories.setdefault(name, Repository({}, licence, is_gated))
        commit = hashlib.sha1(repr((name, len(known.commits), sorted(files))).encode()).hexdigest()
        known.commits[commit] = files
        return commit

    def downloads(self) -> list[tuple[str, str]]:
        """Path and Range header of each request for content."""
        return [(path, sent) for method, path, sent in self.asked if method == "GET" and path.startswith("/storage/")]


@contextmanager
def serve(hub: LocalHub | None = None, port: int = 0) -> Iterator[LocalHub]:
    """Run a hub on a port of this machine, by default a free one."""
    running = hub or LocalHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, running)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: Any) -> None:
            """Say nothing: connections are cut on purpose."""

    server = Server(("127.0.0.1", port), Handler)
    running.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield running
    server.shutdown()
    server.server_close()
    thread.join()


def _answer(http: BaseHTTPRequestHandler, hub: LocalHub) -> None:
    path = unquote(urlsplit(http.path).path)
    hub.asked.append((http.command, path, http.headers.get("Range", "")))
    if hub.busy:
        hub.busy -= 1
        return _send(http, 429, b"", {"Retry-After": "1"})
    if hub.is_portal:
        return _send(http, 200, b"<html>Please sign in.</html>", {"Content-Type": "text/html"})
    if path.startswith("/storage/"):
        return _send_content(http, hub, path.removeprefix("/storage/"))
    if found := _API.fullmatch(path):
        return _describe(http, hub, *found.groups())
    if found := _RESOLVE.fullmatch(path):
        return _resolve(http, hub, *found.groups())
    return _send(http, 404, b"", {})


def _find(http: BaseHTTPRequestHandler, hub: LocalHub, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
    """Return the commit of a revision with its files; or answer as the hub does where there is none."""
    repository = hub.repositories.get(name)
    if repository is None:
        told = "Authorization" in http.headers
        code = {"X-Error-Code": "RepoNotFound"} if told else {"X-Error-Message": "Invalid username or password."}
        _send(http, 404 if told else 401, b"", code)
        return None
    commit = list(repository.commits)[-1] if revision == "main" else revision
    if commit not in repository.commits:
        _send(http, 404, b"", {"X-Error-Code": "RevisionNotFound"})
        return None
    return commit, repository.commits[commit]


def _describe(http: BaseHTTPRequestHandler, hub: LocalHub, name: str, kind: str | None, revision: str | None) -> None:
    found = _find(http, hub, name, revision or "main")
    if found is None:
        return None
    commit, files = found
    if kind == "tree":
        return _send(
            http, 200, json.dumps([_entry(path, data, hub.claimed_size) for path, data in files.items()]).encode(), {}
        )
    card = {"license": hub.repositories[name].licence}
    siblings = [{"rfilename": path} for path in files]
    return _send(
        http, 200, json.dumps({"id": name, "sha": commit, "cardData": card, "siblings": siblings}).encode(), {}
    )


def _entry(path: str, data: bytes, claimed: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    if len(data) >= LARGE:
        entry["size"] = claimed or len(data)
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": entry["size"], "pointerSize": 130}
    return entry


def _resolve(http: BaseHTTPRequestHandler, hub: LocalHub, name: str, revision: str, path: str) -> None:
    found = _find(http, hub, name, revision)
    if found is None:
        return None
    commit, files = found
    token = http.headers.get("Authorization", "").removeprefix("Bearer ")
    if hub.repositories[name].is_gated and token != GOOD_TOKEN:
        return _send(http, 403 if token else 401, b"", {"X-Error-Code": "GatedRepo"})
    if path not in files:
        return _send(http, 404, b"", {"X-Error-Code": "EntryNotFound"})
    data = files[path]
    headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{blob_id(data)}"'}
    return _send(http, 302, b"", headers | {"Location": f"{hub.url}/storage/{name}/{commit}/{path}"})


def _send_content(http: BaseHTTPRequestHandler, hub: LocalHub, key: str) -> None:
    organization, name, commit, path = key.split("/", 3)
    whole = hub.repositories[f"{organization}/{name}"].commits[commit][path]
    data = bytes(len(whole)) if path in hub.damaged else whole
    first = int(http.headers.get("Range", "bytes=0-")[6:].split("-")[0]) if hub.knows_ranges else 0
    status, headers = (206, {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"}) if first else (200, {})
    http.send_response(status)
    for key, value in (headers | {"Content-Length": str(len(data) - first)}).items():
        http.send_header(key, value)
    http.end_headers()
    end = first + hub.cut_after.pop(0) if hub.cut_after else len(data)
    with suppress(OSError):  # whoever asks may go away
        http.wfile.write(data[first:end])
    http.close_connection = end < len(data)


def _send(http: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
    http.send_response(status)
    for key, value in ({"Content-Length": str(len(body)), "Content-Type": "application/json"} | headers).items():
        http.send_header(key, value)
    http.end_headers()
    if http.command == "GET":
        http.wfile.write(body)


def blob_id(data: bytes) -> str:
    """The id that git gives to the bytes of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
