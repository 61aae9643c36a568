"""The gateway as people reach it: through a TLS proxy, nginx with docker/nginx.conf.

Where nginx is not installed, what does not depend on it is asked without it.
"""

import hashlib
import os
import shutil
import ssl
from collections.abc import Iterator
from io import BytesIO
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from gateway.http.access import COOKIE
from stack.processes import clean_environment, free_ports, start_process, stop_process, wait_until
from stack.servers.certificates import AUTHORITY, CERTIFICATE, KEY, make_certificates
from tests.gateway.conftest import NewToken, finished
from tests.paths import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


@pytest.fixture(scope="module")
def front(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    """The address of a TLS proxy before the session's gateway, and how to trust it; without nginx, the gateway's."""
    if NGINX is None:
        yield address, ssl.create_default_context()
        return
    folder = tmp_path_factory.mktemp("nginx")
    make_certificates(folder)
    [port] = free_ports(1)
    server = (ROOT / "docker" / "nginx.conf").read_text(encoding="utf-8")
    for theirs, here in {
        "443 ssl": f"127.0.0.1:{port} ssl",
        "http://127.0.0.1:8000": address,
        "/etc/ssl/triptych/server.crt": str(folder / CERTIFICATE),
        "/etc/ssl/triptych/server.key": str(folder / KEY),
    }.items():
        assert theirs in server
        server = server.replace(theirs, here)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user, servers=server), encoding="utf-8")
    start_process(folder, "nginx", [NGINX, "-c", str(folder / "nginx.conf")], clean_environment({}), folder)
    trust = ssl.create_default_context(cafile=str(folder / AUTHORITY))
    try:
        url = f"https://127.0.0.1:{port}"
        wait_until(folder, "nginx", lambda: _answers(url, trust), 30)
        yield url, trust
    finally:
        stop_process(folder, "nginx")


def _answers(url: str, trust: ssl.SSLContext) -> bool:
    try:
        return httpx.get(f"{url}/health", verify=trust).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def project() -> str:
    return f"tls-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def person(front: tuple[str, ssl.SSLContext], new_token: NewToken, project: str) -> Iterator[httpx.Client]:
    """A maker with a bearer token."""
    url, trust = front
    headers = {"Authorization": f"Bearer {new_token('maker', project)}"}
    with httpx.Client(base_url=url, verify=trust, headers=headers, timeout=180) as client:
        yield client


def picture(colour: str, side: int = 64) -> bytes:
    file = BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")
def test_a_browser_signs_in_with_a_secure_cookie_and_links_are_of_the_proxy(
    front: tuple[str, ssl.SSLContext], new_token: NewToken, project: str
) -> None:
    url, trust = front
    with httpx.Client(base_url=url, verify=trust, timeout=60) as browser:
        asked = browser.get("/", headers={"Accept": "text/html"})
        assert (asked.status_code, asked.headers["location"].startswith("/sign-in")) == (303, True)
        wrong = browser.post("/sign-in", data={"token": "tt_wrong"}, headers={"Origin": url})
        assert (wrong.status_code, COOKIE in wrong.cookies) == (403, False)
        signed_in = browser.post("/sign-in", data={"token": new_token("maker", project)}, headers={"Origin": url})
        assert signed_in.status_code == 303
        cookie = signed_in.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("secure", "httponly", "samesite=strict"))
        assert browser.get("/").status_code == 200
        named = browser.post("/collections", data={"name": "Mine"}, headers={"Origin": url})
        assert named.status_code == 303, "a write from the proxy's own origin is none of another site"
        assert browser.post("/collections", data={"name": "No"}, headers={"Origin": "https://evil"}).status_code >= 400


def test_large_files_go_up_in_parts_and_come_down_in_ranges(person: httpx.Client, front: tuple[str, object]) -> None:
    data = picture("teal", 40) + os.urandom(9_000_000)  # bytes after the end of a PNG are no fault
    upload = person.post("/api/uploads", json={"name": "large.png", "size": len(data)}).json()
    for part in upload["parts"]:
        start = (part["number"] - 1) * upload["part_size"]
        assert part["url"].startswith(front[0]), "https, and the proxy's port"
        assert person.put(part["url"], content=data[start : start + part["size"]]).status_code == 204
    job = person.post(f"/api/uploads/{upload['id']}/complete", json={})
    items = finished(person, job.json()["id"])["items"]
    assert isinstance(items, list)
    artifact = str(items[0]["artifact"])
    whole = person.get(f"/api/artifacts/{artifact}/download", follow_redirects=True)
    assert hashlib.sha256(whole.content).hexdigest() == artifact == hashlib.sha256(data).hexdigest()
    part = person.get(whole.url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, data[100:200])
