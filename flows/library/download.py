"""Download a URL that a user gave from the public internet.

Every redirect is checked as the first address is. Bytes and time are limited, and nothing is decompressed.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin

from flows.library.pinned_https import (
    BROKEN_OFF,
    Address,
    PinnedHttps,
    checked_url,
    is_public,
    request_target,
    resolve,
    time_limit,
)
from flows.running.errors import AddressRefused, DownloadFailed
from media.facts import CAPS
from media.identify import safe_name
from storage.errors import TooLarge
from storage.objects import Readable

_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Downloader:
    """Limits of a download, its resolver, address check and TLS context."""

    resolve: Callable[[str, int], list[str]] = resolve
    is_allowed: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    max_bytes: int = CAPS.bytes
    max_seconds: float = 600.0
    timeout_seconds: float = 20.0
    """For connecting, and between two chunks."""
    max_redirects: int = 5

    def download(self, url: str, target: Path) -> str:
        """Write the file to `target`; return its name. Raises AddressRefused, DownloadFailed, TooLarge."""
        deadline = time.monotonic() + self.max_seconds
        https = PinnedHttps(self.resolve, self.is_allowed, self.tls, self.timeout_seconds)
        for _ in range(self.max_redirects + 1):
            parts = checked_url(url)
            connection = https.connect(parts)
            try:
                with time_limit(connection, deadline):
                    response = _send_request(connection, parts)
                    if response.status not in _REDIRECTS:
                        self._save(response, target, deadline)
                        return safe_name(unquote(parts.path))
                url = urljoin(url, response.getheader("Location", ""))
            except BROKEN_OFF as error:
                if time.monotonic() > deadline:
                    raise self._too_late() from error
                raise DownloadFailed(f"{parts.hostname} broke off: {type(error).__name__}.") from error
            finally:
                connection.close()
        raise AddressRefused(f"The address leads on more than {self.max_redirects} times.")

    def _save(self, response: HTTPResponse, target: Path, deadline: float) -> None:
        _check_answer(response)
        if _announced_bytes(response) > self.max_bytes:
            raise self._too_large()
        size = 0
        with target.open("wb") as file:
            while chunk := response.read1(_CHUNK):
                size += len(chunk)
                if size > self.max_bytes:
                    raise self._too_large()
                if time.monotonic() > deadline:
                    raise self._too_late()
                file.write(chunk)
        if time.monotonic() > deadline:
            raise self._too_late()
        if response.length:
            raise DownloadFailed("The file did not arrive whole.")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The file is larger than the limit of {self.max_bytes / 1e6:.0f} MB.")

    def _too_late(self) -> DownloadFailed:
        return DownloadFailed(f"The file did not arrive within {self.max_seconds:.0f} seconds.")


def _check_answer(response: HTTPResponse) -> None:
    """Raise DownloadFailed unless the answer is a file as it is."""
    if response.status != 200:
        raise DownloadFailed(f"The address answers {response.status} {response.reason}: there is no file.")
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise DownloadFailed("The server sends compressed content although it was asked not to.")


def _announced_bytes(response: HTTPResponse) -> int:
    """Return the Content-Length; 0 for one that is missing or no number, such as `12, 12`."""
    text = response.getheader("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _send_request(connection: HTTPSConnection, parts: SplitResult) -> HTTPResponse:
    headers = {"Accept-Encoding": "identity", "User-Agent": "triptych", "Connection": "close"}
    connection.request("GET", request_target(parts), headers=headers)
    return connection.getresponse()


def save_stream(stream: Readable, path: Path) -> None:
    """Write an upload to a file. Raises TooLarge."""
    with path.open("wb") as file:
        size = 0
        for chunk in iter(lambda: stream.read(1024 * 1024), b""):
            size += len(chunk)
            if size > CAPS.bytes:
                raise TooLarge(f"The file is larger than the limit of {CAPS.bytes / 1e9:.0f} GB.")
            file.write(chunk)
