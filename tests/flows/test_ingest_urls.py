"""Ingest from URLs: only from the public internet (protection against SSRF)."""

import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from flows.ingest_urls import ingest_from_urls
from flows.library.download import Downloader
from flows.library.pinned_https import checked_url, is_public, resolve
from flows.running.content_forms import Addresses
from flows.running.context import RunContext, local_context
from flows.running.errors import AddressRefused, DownloadFailed
from flows.running.platform import Platform
from media.errors import DecoderUnavailable
from media.sandbox import Decoders
from stack.servers.certificates import AUTHORITY, CERTIFICATE, KEY, make_certificates
from storage.errors import TooLarge

FILE = b"Bread and honey are sold on the market.\n"
PUBLIC = "127.0.0.1"
"""Taken for a public address by the resolver and the address check of these tests."""


class Site(http.server.BaseHTTPRequestHandler):
    """A site with a file, hostile redirects and broken responses."""

    def do_GET(self) -> None:
        redirects = {
            "/again": "/market%20day.txt",
            "/inside": "https://inside.example.test/secret",
            "/metadata": "https://169.254.169.254/latest/meta-data/",
            "/plain": "http://files.example.test/market.txt",
            "/file": "file:///etc/passwd",
            "/round": "/round",
            "/astray": "https://[::1",
        }
        if self.path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[self.path])
            self.end_headers()
            return
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/trickle":
            for _ in range(600):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" if _ == 0 else b"X")
                self.wfile.flush()
                time.sleep(0.05)
        if self.path == "/odd":
            self.send_header("Content-Length", "12, 12")
        if self.path == "/short":
            self.send_header("Content-Length", "1000")
        self.end_headers()
        self.answer()

    def answer(self) -> None:
        if self.path == "/endless":
            while True:
                self.wfile.write(bytes(64 * 1024))
        if self.path == "/slow":
            for _ in range(600):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        self.wfile.write(FILE)

    def log_message(self, *args: object) -> None:
        """Write no log."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of an https server, and a TLS context that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    server = http.server.ThreadingHTTPServer((PUBLIC, 0), Site)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients break off
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    trusting = ssl.create_default_context(cafile=str(folder / AUTHORITY))
    trusting.check_hostname = False  # the certificate is for 127.0.0.1
    yield server.server_address[1], trusting
    server.shutdown()


@pytest.fixture
def downloader(site: tuple[int, ssl.SSLContext]) -> Downloader:
    names = {
        "files.example.test": [PUBLIC],
        "inside.example.test": ["10.0.0.7"],
        "both.example.test": [PUBLIC, "10.0.0.7"],
    }
    return Downloader(
        resolve=lambda host, port: names.get(host) or resolve(host, port),
        is_allowed=lambda address: str(address) == PUBLIC or is_public(address),
        tls=site[1],
        max_bytes=1_000_000,
        max_seconds=3,
    )


@pytest.fixture
def base(site: tuple[int, ssl.SSLContext]) -> str:
    return f"https://files.example.test:{site[0]}"


def test_a_download_is_named_after_its_url(downloader: Downloader, base: str, tmp_path: Path) -> None:
    assert downloader.download(f"{base}/again", tmp_path / "file") == "market day.txt"
    assert (tmp_path / "file").read_bytes() == FILE


@pytest.mark.parametrize("path", ["/inside", "/metadata", "/plain", "/file", "/round"])
def test_redirects_to_private_or_non_https_addresses_are_refused(
    downloader: Downloader, base: str, tmp_path: Path, path: str
) -> None:
    with pytest.raises(AddressRefused):
        downloader.download(f"{base}{path}", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_an_odd_length_is_no_length(downloader: Downloader, base: str, tmp_path: Path) -> None:
    downloader.download(f"{base}/odd", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == FILE


@pytest.mark.parametrize(
    "path", ["/gone", "/packed", "/short", "/slow", "/trickle", "/astray", "/a%0d%0aHost:%20inside"]
)
def test_an_incomplete_or_late_response_is_a_failed_download(
    downloader: Downloader, base: str, tmp_path: Path, path: str
) -> None:
    began = time.monotonic()
    if path.startswith("/a%0d"):  # the line break stays percent-encoded, so there is no second header
        downloader.download(f"{base}{path}", tmp_path / "file")
        return
    with pytest.raises(DownloadFailed):
        downloader.download(f"{base}{path}", tmp_path / "file")
    assert time.monotonic() - began < 20


def test_the_size_limit_is_enforced_during_the_download(downloader: Downloader, base: str, tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        downloader.download(f"{base}/endless", tmp_path / "file")
    assert (tmp_path / "file").stat().st_size <= 1_000_000


def test_every_address_of_a_host_must_be_public_and_its_certificate_trusted(
    downloader: Downloader, site: tuple[int, ssl.SSLContext], base: str, tmp_path: Path
) -> None:
    with pytest.raises(AddressRefused):
        downloader.download(f"https://both.example.test:{site[0]}/market.txt", tmp_path / "file")
    untrusting = Downloader(resolve=downloader.resolve, is_allowed=downloader.is_allowed)
    with pytest.raises(DownloadFailed):
        untrusting.download(f"{base}/market.txt", tmp_path / "file")


def test_a_host_is_resolved_once_so_that_dns_rebinding_has_no_effect(
    site: tuple[int, ssl.SSLContext], tmp_path: Path
) -> None:
    answers = iter([[PUBLIC], ["10.0.0.7"]])
    rebinding = Downloader(resolve=lambda host, port: next(answers), is_allowed=lambda a: str(a) == PUBLIC, tls=site[1])
    rebinding.download(f"https://rebinds.example.test:{site[0]}/market.txt", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == FILE


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.jpg",
        "ftp://example.com/a.jpg",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "https:///etc/passwd",
        "https://user:password@example.com/a.jpg",
        "https://example.com@127.0.0.1/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        *("https://192.88.99.1/", "https://198.18.0.1/", "https://224.0.0.1/", "https://255.255.255.255/"),
        *("https://[::]/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::127.0.0.1]/"),
        *("https://[fe80::1]/", "https://[fe80::1%25lo]/", "https://[fc00::1]/", "https://[fec0::1]/"),
        *("https://[ff02::1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::7f00:1]/"),
        *("https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/"),
        "https://localhost/",
        "https://localhost./",
    ],
)
def test_a_hostile_address_is_refused_without_a_connection(url: str, tmp_path: Path) -> None:
    with pytest.raises((AddressRefused, DownloadFailed)) as refusal:
        Downloader(timeout_seconds=2).download(url, tmp_path / "file")
    assert "does not answer" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert checked_url("https://example.com:8443/a.jpg?b=c").port == 8443


async def test_downloaded_files_are_ingested_and_failed_downloads_give_a_reason(
    context: RunContext, downloader: Downloader, base: str
) -> None:
    urls = [f"{base}/market.txt", "https://10.0.0.1/a.txt", f"{base}/gone", f"{base}/again"]
    report = await ingest_from_urls(context, Addresses(urls=urls, labels=["fetched"]), downloader)
    first, *refused, again = (item.status for item in report.items)
    assert refused == ["rejected", "rejected"]
    assert {first, again} == {"stored", "duplicate"}, "the same bytes, whichever came first"
    assert [item.path for item in report.items[:3]] == ["market.txt", *urls[1:3]]
    record = context.space.records.get(report.items[0].artifact or "")
    assert context.space.store.get(record.artifact) == FILE
    assert "public internet" in (report.items[1].reason or "")
    assert "404" in (report.items[2].reason or "")


async def test_downloads_are_removed_also_when_they_cannot_be_ingested(
    new_platform: Callable[..., Platform], project: str, downloader: Downloader, base: str
) -> None:
    context = local_context(new_platform().space(project))
    context.space.platform.decoders = Decoders(python="/nonexistent/python")
    with pytest.raises(DecoderUnavailable):
        await ingest_from_urls(context, Addresses(urls=[f"{base}/market.txt", f"{base}/gone"]), downloader)
    assert list(context.space.platform.bucket.objects("tmp/")) == []
