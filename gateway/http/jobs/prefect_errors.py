"""Translate the errors of Prefect's client into ours."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from prefect.exceptions import PrefectHTTPStatusError

from flows.running.errors import NotReachable
from gateway.errors import WrongInput


@asynccontextmanager
async def translated_errors() -> AsyncGenerator[None]:
    """Raise WrongInput for what Prefect rejects, and NotReachable while its server is down."""
    try:
        yield
    except PrefectHTTPStatusError as error:
        if error.response.status_code >= 500:
            raise NotReachable("The Prefect server does not answer: ask again later.") from error
        raise WrongInput(f"The values are refused: {_detail(error.response)}") from error
    except (httpx.TransportError, OSError) as error:
        raise NotReachable("The Prefect server does not answer: ask again later.") from error


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return response.text[:300]
