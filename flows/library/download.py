"""Download a URL that a user gave, protected against server-side request forgery (SSRF).

The host is resolved once, and every address it resolves to must be public. The connection goes to the address that was
checked, so DNS rebinding has no effect; the host name is kept for TLS. Every redirect is checked in the same way. Bytes
and time are limited, and nothing is decompressed.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from socket import IPPROTO_TCP, create_connection, gaierror, getaddrinfo
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from flows.running.errors import AddressRefused, DownloadFailed
from media.identify import CAPS, safe_name
from storage.errors import TooLarge

Address = IPv4Address | IPv6Address
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024
# Networks that `ipaddress` counts as global although they embed or reach other addresses (NAT64, 6to4, Teredo, …).
_DENIED_6 = tuple(
    IPv6Network(n) for n in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10")
)
_DENIED_4 = (IPv4Network("192.88.99.0/24"),)


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host with the system's resolver."""
    return [str(found[4][0]) for found in getaddrinfo(host, port, proto=IPPROTO_TCP)]


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _DENIED_6):
            return False
    elif any(address in network for network in _DENIED_4):
        return False
    return address.is_global and not address.is_multicast


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
        for _ in range(self.max_redirects + 1):
            parts = checked_url(url)
            connection = self._connect(parts)
            try:
                response = _send_request(connection, parts)
                if response.status not in _REDIRECTS:
                    self._save(response, target, deadline)
                    return safe_name(unquote(parts.path))
                url = urljoin(url, response.getheader("Location", ""))
            except (OSError, HTTPException) as error:
                raise DownloadFailed(f"{parts.hostname} broke off: {type(error).__name__}.") from error
            finally:
                connection.close()
        raise AddressRefused(f"The address leads on more than {self.max_redirects} times.")

    def _connect(self, parts: SplitResult) -> HTTPSConnection:
        host, port = parts.hostname or "", parts.port or 443
        address = self._checked_address(host, port)
        connection = HTTPSConnection(host, port, timeout=self.timeout_seconds)
        try:
            raw = create_connection((address, port), self.timeout_seconds)
            connection.sock = self.tls.wrap_socket(raw, server_hostname=host)
        except OSError as error:
            raise DownloadFailed(
                f"{host} does not answer as an https server should: {type(error).__name__}."
            ) from error
        return connection

    def _checked_address(self, host: str, port: int) -> str:
        try:
            addresses = [ip_address(found.partition("%")[0]) for found in self.resolve(host, port)]
        except (gaierror, UnicodeError, ValueError) as error:
            raise DownloadFailed(f"The host {host!r} cannot be resolved.") from error
        if not addresses or not all(self.is_allowed(address) for address in addresses):
            raise AddressRefused(f"{host} is not on the public internet: files are fetched from there alone.")
        return str(addresses[0])

    def _save(self, response: HTTPResponse, target: Path, deadline: float) -> None:
        host_says = f"The address answers {response.status} {response.reason}"
        if response.status != 200:
            raise DownloadFailed(f"{host_says}: there is no file.")
        if response.getheader("Content-Encoding", "identity") != "identity":
            raise DownloadFailed("The server sends compressed content although it was asked not to.")
        if int(response.getheader("Content-Length") or 0) > self.max_bytes:
            raise self._too_large()
        size = 0
        with target.open("wb") as file:
            while chunk := response.read1(_CHUNK):
                size += len(chunk)
                if size > self.max_bytes:
                    raise self._too_large()
                if time.monotonic() > deadline:
                    raise DownloadFailed(f"The file did not arrive within {self.max_seconds:.0f} seconds.")
                file.write(chunk)
        if response.length:
            raise DownloadFailed("The file did not arrive whole.")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The file is larger than the limit of {self.max_bytes / 1e6:.0f} MB.")


def checked_url(url: str) -> SplitResult:
    """Parse a URL that may be downloaded: https, with a host and without credentials. Raises AddressRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("This is no address.") from error
    if parts.scheme != "https" or not parts.hostname or port == 0:
        raise AddressRefused("Files are fetched from addresses that begin with https:// alone.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("An address must not hold a user's name or password.")
    return parts


def _send_request(connection: HTTPSConnection, parts: SplitResult) -> HTTPResponse:
    # Percent-encode what is not yet, so that no line break reaches the request (header injection).
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
    )
    connection.request(
        "GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "triptych", "Connection": "close"}
    )
    return connection.getresponse()
