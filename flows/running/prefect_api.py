"""Connect to the API of a Prefect server: address, credential, health check and clients."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from flows.running.errors import NotReachable
from flows.running.settings import Settings, load_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

DENIED_STATUSES = (401, 403)
"""HTTP statuses of a server that rejects the credential."""


@cache
def trusted_authorities() -> SSLContext:
    """What every HTTP client of a process shares: reading the certificates of the authorities takes tens of ms."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class PrefectApi:
    """The URL of a Prefect API and its credential: the server's auth string, or an API key of Prefect Cloud."""

    url: str
    auth_string: SecretStr | None = None
    api_key: SecretStr | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment variables that configure Prefect's own clients."""
        secrets = {"PREFECT_API_AUTH_STRING": self.auth_string, "PREFECT_API_KEY": self.api_key}
        return {"PREFECT_API_URL": self.url} | {
            name: secret.get_secret_value() for name, secret in secrets.items() if secret
        }

    def client(self) -> httpx.Client:
        """Return an HTTP client that sends the credential."""
        return httpx.Client(base_url=self.url, headers=self._headers(), timeout=30, verify=trusted_authorities())

    def _headers(self) -> dict[str, str]:
        if self.auth_string:
            return {"Authorization": f"Basic {b64encode(self.auth_string.get_secret_value().encode()).decode()}"}
        return {"Authorization": f"Bearer {self.api_key.get_secret_value()}"} if self.api_key else {}


def api_of(settings: Settings) -> PrefectApi:
    """Return the API that the settings name. Raises NotReachable if they name none."""
    if not settings.prefect_api_url:
        raise NotReachable("No Prefect server is named: start the stack with `triptych up`, or use --local.")
    return PrefectApi(settings.prefect_api_url, settings.prefect_auth_string, settings.prefect_api_key)


def is_healthy(api_url: str) -> bool:
    """Whether the API answers its health check, which needs no credential."""
    try:
        return httpx.get(f"{api_url}/health", timeout=3, verify=trusted_authorities()).status_code == 200
    except httpx.HTTPError:
        return False


def access_denied(url: str) -> NotReachable:
    """Return the error for a server that rejects our password or key."""
    return NotReachable(
        f"The Prefect server at {url} does not let us in: set TRIPTYCH_PREFECT_AUTH_STRING to its password, or "
        "TRIPTYCH_PREFECT_API_KEY to a key of yours."
    )


@contextmanager
def prefect_client_settings() -> Generator[None]:
    """Within the block, Prefect's clients use the server of this home. Raises NotReachable if it does not answer."""
    from prefect.exceptions import PrefectHTTPStatusError

    settings = load_settings()
    api = api_of(settings)
    if not is_healthy(api.url):
        raise NotReachable("The Prefect server does not answer: start the stack with `triptych up`, or use --local.")
    with prefect_settings(settings):
        try:
            yield
        except PrefectHTTPStatusError as error:
            if error.response.status_code in DENIED_STATUSES:
                raise access_denied(api.url) from error
            raise


@asynccontextmanager
async def prefect_client(settings: Settings) -> AsyncGenerator["PrefectClient"]:
    """Open a client of the settings' server, which need not answer yet. Raises NotReachable if none is named."""
    from prefect.client.orchestration import get_client

    with prefect_settings(settings):
        client = get_client()
    async with client:
        yield client


@contextmanager
def prefect_settings(settings: Settings) -> Generator[None]:
    """Clients made within the block use the settings' server. Raises NotReachable if none is named."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

    api = api_of(settings)
    # Changing os.environ is too late: Prefect read it at import.
    values = {PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.auth_string, PREFECT_API_KEY: api.api_key}
    with temporary_settings({setting: value for setting, value in values.items() if value}):
        yield
