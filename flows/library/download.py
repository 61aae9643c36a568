"""Fetching: a file from an https address of somebody else's choice, without becoming their hand inside the network.

A name is resolved once; every address it has must be public; the connection goes to that very address, with the name
kept for TLS. Each redirect is judged anew. Bytes and time are capped, and nothing is unpacked.
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
# Ways around through IPv6 (NAT64, 6to4, Teredo) and what Python counts as global although it leads nowhere public.
_DENIED_6 = tuple(
    IPv6Network(n) for n in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10")
)
_DENIED_4 = (IPv4Network("192.88.99.0/24"),)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system's resolver tells them."""
    return [str(found[4][0]) for found in getaddrinfo(host, port, proto=IPPROTO_TCP)]


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet."""
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
    """How files are fetched; what a test replaces is passed in."""

    resolve: Callable[[str, int], list[str]] = resolve
    allowed: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    max_bytes: int = CAPS.bytes
    seconds: float = 600.0
    patience_seconds: float = 20.0
    redirects: int = 5

    def fetch(self, url: str, target: Path) -> str:
        """Write the file to `target`; its name there. Raises AddressRefused, DownloadFailed, TooLarge."""
        deadline = time.monotonic() + self.seconds
        for _ in range(self.redirects + 1):
            parts = checked_url(url)
            connection = self._connected(parts)
            try:
                response = _asked(connection, parts)
                if response.status not in _REDIRECTS:
                    self._save(response, target, deadline)
                    return safe_name(unquote(parts.path))
                url = urljoin(url, response.getheader("Location", ""))
            except (OSError, HTTPException) as error:
                raise DownloadFailed(f"{parts.hostname} broke off: {type(error).__name__}.") from error
            finally:
                connection.close()
        raise AddressRefused(f"The address leads on more than {self.redirects} times.")

    def _connected(self, parts: SplitResult) -> HTTPSConnection:
        host, port = parts.hostname or "", parts.port or 443
        address = self._address_of(host, port)
        connection = HTTPSConnection(host, port, timeout=self.patience_seconds)
        try:
            raw = create_connection((address, port), self.patience_seconds)
            connection.sock = self.tls.wrap_socket(raw, server_hostname=host)
        except OSError as error:
            raise DownloadFailed(
                f"{host} does not answer as an https server should: {type(error).__name__}."
            ) from error
        return connection

    def _address_of(self, host: str, port: int) -> str:
        try:
            addresses = [ip_address(found.partition("%")[0]) for found in self.resolve(host, port)]
        except (gaierror, UnicodeError, ValueError) as error:
            raise DownloadFailed(f"Nobody knows a host {host!r}.") from error
        if not addresses or not all(self.allowed(address) for address in addresses):
            raise AddressRefused(f"{host} is not on the public internet: files are fetched from there alone.")
        return str(addresses[0])

    def _save(self, response: HTTPResponse, target: Path, deadline: float) -> None:
        host_says = f"The address answers {response.status} {response.reason}"
        if response.status != 200:
            raise DownloadFailed(f"{host_says}: there is no file.")
        if response.getheader("Content-Encoding", "identity") != "identity":
            raise DownloadFailed("The address sends a packed file although it was asked not to.")
        if int(response.getheader("Content-Length") or 0) > self.max_bytes:
            raise self._too_large()
        size = 0
        with target.open("wb") as file:
            while chunk := response.read1(_CHUNK):
                size += len(chunk)
                if size > self.max_bytes:
                    raise self._too_large()
                if time.monotonic() > deadline:
                    raise DownloadFailed(f"The file did not arrive within {self.seconds:.0f} seconds.")
                file.write(chunk)
        if response.length:
            raise DownloadFailed("The file did not arrive whole.")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The file is larger than the limit of {self.max_bytes / 1e6:.0f} MB.")


def checked_url(url: str) -> SplitResult:
    """The parts of an address that may be asked. Raises AddressRefused."""
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


def _asked(connection: HTTPSConnection, parts: SplitResult) -> HTTPResponse:
    # Percent-encoded where it is not, so that no line break reaches the request.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
    )
    connection.request(
        "GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "triptych", "Connection": "close"}
    )
    return connection.getresponse()
