"""The HTTP gateway: the app, assembled from its parts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from flows.platform import Platform, open_platform
from gateway import problems
from gateway.gallery.app import add_gallery
from gateway.jobs import Jobs
from gateway.limits import BodyLimit, RateLimits
from gateway.problems import OpenAIProblem, Problem
from gateway.questions import Questions
from gateway.routes import (
    artifacts,
    documents,
    jobs,
    labels,
    libretranslate,
    openai_audio,
    openai_embeddings,
    openai_images,
    openai_models,
    search,
    uploads,
)
from gateway.routes import (
    webhooks as webhook_routes,
)
from gateway.services import Services
from gateway.tokens import Tokens
from gateway.webhooks import Webhooks

_OURS = (
    artifacts.router,
    labels.router,
    uploads.router,
    search.router,
    jobs.router,
    webhook_routes.router,
    libretranslate.router,
)
_OPENAI = (openai_images.router, openai_audio.router, openai_embeddings.router, openai_models.router)
_FILES = ("/api/artifacts", "/v1/audio/", "/v1/images/", "/api/search/picture")
"""Paths that take files."""


def create() -> FastAPI:
    """The app of the platform that the environment names; for `uvicorn --factory`."""
    return create_app(open_platform())


def create_app(platform: Platform) -> FastAPI:
    """The app. Everything but /health and /docs needs a token."""
    settings = platform.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        webhooks = Webhooks(platform.bucket, local=settings.gateway_local_webhooks)
        async with Jobs.open(platform, webhooks.expect) as opened, webhooks.running(opened.states):
            app.state.services = Services(
                platform=platform,
                tokens=Tokens(platform.bucket),
                jobs=opened,
                webhooks=webhooks,
                questions=Questions(),
                limits=RateLimits(settings.gateway_rate),
            )
            yield

    app = FastAPI(
        title="Triptych",
        description="Find, make, transcribe and translate what your team has: pictures, speech and text.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=problems.handlers(),
    )
    origins = [origin.strip() for origin in settings.gateway_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(BodyLimit, max_bytes=settings.gateway_upload_mb * 1_000_000, file_paths=_FILES)
    for router in _OURS:
        app.include_router(router, responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})
    for router in _OPENAI:
        app.include_router(router, responses={"4XX": {"model": OpenAIProblem}, "5XX": {"model": OpenAIProblem}})
    app.include_router(documents.router)
    app.include_router(_health)
    add_gallery(app)
    return app


_health = APIRouter()


@_health.get("/health", include_in_schema=False)
def health() -> dict[str, str]:
    """Whether the gateway answers."""
    return {"status": "ok"}
