"""The HTTP gateway: answers at once what needs no run, with models that stay loaded in this process."""

import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from flows.errors import EXPECTED
from flows.job import local_job
from flows.platform import Platform, open_platform
from flows.search import Query, SearchReport, find


def create() -> FastAPI:
    """The app of the platform that the environment names; for `uvicorn --factory`."""
    return create_app(open_platform())


def create_app(platform: Platform) -> FastAPI:
    """The app. Everything under /api needs the bearer token of the settings."""
    app = FastAPI(title="Triptych", openapi_url=None)
    app.add_exception_handler(Exception, _unexpected)
    for kind in EXPECTED:
        app.add_exception_handler(kind, _explain)

    def holds_token(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
        expected = platform.settings.gateway_token
        if expected is None or not secrets.compare_digest(given.credentials, expected.get_secret_value()):
            raise HTTPException(401, "The token is not right.")

    @app.get("/health")
    def health() -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        return {"status": "ok"}

    @app.post("/api/search", dependencies=[Depends(holds_token)])
    async def search(query: Query) -> SearchReport:  # pyright: ignore[reportUnusedFunction]
        return await find(local_job(platform.space(query.project)), query)

    return app


async def _explain(_request: Request, error: Exception) -> Response:
    """A person's mistake, or a part that is away for a while, in one sentence."""
    status = 503 if getattr(error, "retryable", False) else 422
    return JSONResponse({"error": str(error)}, status_code=status)


async def _unexpected(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"The gateway failed: {type(error).__name__}. See its log."}, status_code=500)
