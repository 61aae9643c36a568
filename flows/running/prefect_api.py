"""The API of a Prefect server: its address and credential, and clients that talk to it."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from flows.running.errors import NotReachable
from flows.running.settings import Settings, load_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

DENIED_STATUSES = (401, 403)
"""How a server answers whom it does not know."""


@dataclass(frozen=True)
class PrefectApi:
    """A Prefect server's API and what opens it: its password (the whole auth string), or the key of a Prefect Cloud."""

    url: str
    auth_string: SecretStr | None = None
    api_key: SecretStr | None = None

    def environment(self) -> dict[str, str]:
        """What Prefect's own clients read."""
        secrets = {"PREFECT_API_AUTH_STRING": self.auth_string, "PREFECT_API_KEY": self.api_key}
        return {"PREFECT_API_URL": self.url} | {
            name: secret.get_secret_value() for name, secret in secrets.items() if secret
        }

    def client(self) -> httpx.Client:
        """A client that is let in. The health check alone needs none."""
        return httpx.Client(base_url=self.url, headers=self._headers(), timeout=30)

    def _headers(self) -> dict[str, str]:
        if self.auth_string:
            return {"Authorization": f"Basic {b64encode(self.auth_string.get_secret_value().encode()).decode()}"}
        return {"Authorization": f"Bearer {self.api_key.get_secret_value()}"} if self.api_key else {}


def api_of(settings: Settings) -> PrefectApi:
    """The API that the settings name. Raises NotReachable when they name none."""
    if not settings.prefect_api_url:
        raise NotReachable("No Prefect server is named: start the stack with `triptych up`, or use --local.")
    return PrefectApi(settings.prefect_api_url, settings.prefect_auth_string, settings.prefect_api_key)


def is_healthy(api_url: str) -> bool:
    """Whether the API says that it is well."""
    try:
        return httpx.get(f"{api_url}/health", timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def access_denied(url: str) -> NotReachable:
    """What to say when a server knows neither password nor key of ours."""
    return NotReachable(
        f"The Prefect server at {url} does not let us in: set TRIPTYCH_PREFECT_AUTH_STRING to its password, or "
        "TRIPTYCH_PREFECT_API_KEY to a key of yours."
    )


@contextmanager
def prefect_client_settings() -> Generator[None]:
    """Within it, Prefect's client talks to the stack's server. Raises NotReachable."""
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
    """A client of the server that the settings name, which need not answer yet. Raises NotReachable."""
    from prefect.client.orchestration import get_client

    with prefect_settings(settings):
        client = get_client()
    async with client:
        yield client


@contextmanager
def prefect_settings(settings: Settings) -> Generator[None]:
    """What begins within it talks to the server that the settings name. Raises NotReachable when they name none."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

    api = api_of(settings)
    # Prefect read its environment when it was imported.
    ours = {PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.auth_string, PREFECT_API_KEY: api.api_key}
    with temporary_settings({setting: value for setting, value in ours.items() if value}):
        yield
