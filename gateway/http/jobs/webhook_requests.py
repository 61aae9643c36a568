"""POST an event to a webhook: one deadline for everything, no redirects, and the body of the answer is dropped."""

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from flows.library.pinned_https import BROKEN_OFF, PinnedHttps, checked_url, request_target, time_limit
from flows.running.errors import AddressRefused, DownloadFailed
from gateway.errors import WrongInput


def send_pinned(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> int:
    """POST to a public https URL, at the address that was checked; return the status.

    Raises WrongInput for an address that is not public any more, DownloadFailed.
    """
    deadline = time.monotonic() + seconds
    try:
        parts = checked_url(url)
        connection = PinnedHttps(timeout_seconds=seconds).connect(parts)
    except AddressRefused as error:
        raise WrongInput(str(error)) from error
    return _post(connection, parts, body, headers, deadline)


def send_unchecked(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> int:
    """POST to any URL, such as one of this machine; return the status. Raises WrongInput, DownloadFailed."""
    deadline = time.monotonic() + seconds
    try:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        connection.connect()
    except BROKEN_OFF as error:
        raise DownloadFailed(f"It does not answer: {error}.") from error
    return _post(connection, parts, body, headers, deadline)


def _post(
    connection: HTTPConnection, parts: SplitResult, body: bytes, headers: Mapping[str, str], deadline: float
) -> int:
    try:
        with time_limit(connection, deadline):
            connection.request("POST", request_target(parts), body=body, headers={**headers, "Connection": "close"})
            return connection.getresponse().status
    except BROKEN_OFF as error:
        raise DownloadFailed(f"It does not answer: {type(error).__name__}.") from error
    finally:
        connection.close()
