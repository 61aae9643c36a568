"""Connect to an https URL that a user gave, protected against server-side request forgery (SSRF).

The host is resolved once, and every address it resolves to must be public. The connection goes to the address that was
checked, so DNS rebinding has no effect; the host name is kept for TLS.
"""

import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import IPPROTO_TCP, SHUT_RDWR, create_connection, gaierror, getaddrinfo
from urllib.parse import SplitResult, quote, urlsplit

from flows.running.errors import AddressRefused, DownloadFailed

Address = IPv4Address | IPv6Address
BROKEN_OFF = (OSError, HTTPException, ValueError)
"""What the libraries raise for a connection that breaks off and for answers that are no HTTP."""
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
class PinnedHttps:
    """A resolver, an address check and a TLS context, with which connections to public hosts are made."""

    resolve: Callable[[str, int], list[str]] = resolve
    is_allowed: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    timeout_seconds: float = 20.0
    """For connecting, and between two chunks."""

    def connect(self, parts: SplitResult) -> HTTPSConnection:
        """Connect to the host of a checked URL. Raises AddressRefused, DownloadFailed."""
        host, port = parts.hostname or "", parts.port or 443
        address = self.checked_address(host, port)
        connection = HTTPSConnection(host, port, timeout=self.timeout_seconds)
        try:
            raw = create_connection((address, port), self.timeout_seconds)
            connection.sock = self.tls.wrap_socket(raw, server_hostname=host)
        except (OSError, ValueError) as error:
            raise DownloadFailed(
                f"{host} does not answer as an https server should: {type(error).__name__}."
            ) from error
        return connection

    def checked_address(self, host: str, port: int) -> str:
        """Resolve a host; return one of its addresses, which are all allowed. Raises AddressRefused, DownloadFailed."""
        try:
            addresses = [ip_address(found.partition("%")[0]) for found in self.resolve(host, port)]
        except (gaierror, UnicodeError, ValueError) as error:
            raise DownloadFailed(f"The host {host!r} cannot be resolved.") from error
        if not addresses or not all(self.is_allowed(address) for address in addresses):
            raise AddressRefused(f"{host} is not on the public internet: files are fetched from there alone.")
        return str(addresses[0])


@contextmanager
def time_limit(connection: HTTPConnection, deadline: float) -> Generator[None]:
    """Shut the connection down at the deadline, whatever is being read: a server may send its headers byte by byte."""

    socket = connection.sock  # the response takes it over later

    def shut_down() -> None:
        with suppress(OSError):
            socket.shutdown(SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def checked_url(url: str) -> SplitResult:
    """Parse a URL that may be connected to: https, with a host and without credentials. Raises AddressRefused."""
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


def request_target(parts: SplitResult) -> str:
    """Return path and query, percent-encoded where they are not, so that no line break reaches the request."""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return path + (f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else "")
