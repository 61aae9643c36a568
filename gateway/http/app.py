"""Assemble the app of the HTTP API: services, middleware, error handlers and routes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from flows.running.platform import Platform
from gateway.http import problems
from gateway.http.jobs.deliveries import Deliveries
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.webhooks import Webhooks
from gateway.http.libretranslate import routes as libretranslate
from gateway.http.limits import BodyLimit, RateLimits
from gateway.http.openai import audio as openai_audio
from gateway.http.openai import embeddings as openai_embeddings
from gateway.http.openai import images as openai_images
from gateway.http.openai import models as openai_models
from gateway.http.openai import speaking as openai_speaking
from gateway.http.problems import OpenAIProblem, Problem
from gateway.http.query_embeddings import QueryEmbeddings
from gateway.http.routes import artifacts, documents, files, jobs, labels, search, uploads
from gateway.http.routes import webhooks as webhook_routes
from gateway.http.services import Services
from gateway.tokens import Tokens

_OURS = (
    artifacts.router,
    files.router,
    labels.router,
    uploads.router,
    search.router,
    jobs.router,
    webhook_routes.router,
    libretranslate.router,
)
_OPENAI = (
    openai_images.router,
    openai_audio.router,
    openai_speaking.router,
    openai_embeddings.router,
    openai_models.router,
)
_FILES = ("/api/artifacts", "/v1/audio/", "/v1/images/", "/api/search/picture")
"""Prefixes of the paths whose bodies may be as large as a file."""


def create_app(platform: Platform) -> FastAPI:
    """Return the app of the HTTP API. Everything except /health, /docs and /openapi.json needs a token."""
    settings = platform.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        webhooks = Webhooks(platform.bucket, local=settings.gateway_local_webhooks)
        deliveries = Deliveries(platform.bucket, webhooks)
        async with Jobs.open(platform, deliveries.enqueue) as opened, deliveries.running(opened.read_jobs):
            app.state.services = Services(
                platform=platform,
                tokens=Tokens(platform.bucket),
                jobs=opened,
                webhooks=webhooks,
                query_embeddings=QueryEmbeddings(),
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
    return app


_health = APIRouter()


@_health.get("/health", include_in_schema=False)
def health() -> dict[str, str]:
    """Answer that the gateway is up."""
    return {"status": "ok"}
