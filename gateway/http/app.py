"""Assemble the app of the HTTP API: services, middleware, error handlers and routes."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from flows.running.platform import Platform
from gateway.http import problems
from gateway.http.access import document_roles
from gateway.http.admission import Admission
from gateway.http.instant_translation import InstantTranslation
from gateway.http.jobs.deliveries import Deliveries
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.webhooks import Webhooks
from gateway.http.libretranslate import files as libretranslate_files
from gateway.http.libretranslate import routes as libretranslate
from gateway.http.limits import RateLimits
from gateway.http.openai import audio as openai_audio
from gateway.http.openai import embeddings as openai_embeddings
from gateway.http.openai import images as openai_images
from gateway.http.openai import models as openai_models
from gateway.http.openai import speaking as openai_speaking
from gateway.http.openai.chat import completions as openai_chat
from gateway.http.problems import OpenAIProblem, Problem
from gateway.http.query_embeddings import QueryEmbeddings
from gateway.http.routes import artifacts, ask, documents, files, inbox, jobs, labels, learning, search, uploads
from gateway.http.routes import suggestions as suggestion_routes
from gateway.http.routes import webhooks as webhook_routes
from gateway.http.services import Services
from gateway.tokens import Tokens
from storage.errors import StorageError

_LOG = logging.getLogger("uvicorn.error")
_OURS = (
    artifacts.router,
    files.router,
    labels.router,
    uploads.router,
    inbox.router,
    search.router,
    ask.router,
    learning.router,
    suggestion_routes.router,
    jobs.router,
    webhook_routes.router,
    libretranslate.router,
    libretranslate_files.router,
)
_OPENAI = (
    openai_images.router,
    openai_audio.router,
    openai_speaking.router,
    openai_chat.router,
    openai_embeddings.router,
    openai_models.router,
)


def create_app(platform: Platform) -> FastAPI:
    """Return the app of the HTTP API. All but /health, the documents, signed links and what LibreTranslate leaves open
    needs a token.
    """
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
                instant_translation=InstantTranslation(),
                limits=RateLimits(settings.gateway_rate),
            )
            known = asyncio.create_task(_open_projects(app.state.services.tokens))
            yield
            known.cancel()

    app = FastAPI(
        title="Triptych",
        description="Find, make, transcribe and translate what your team has: pictures, speech and text.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=problems.handlers(),
    )
    app.add_middleware(Admission, max_file_bytes=settings.gateway_upload_mb * 1_000_000)
    origins = [origin.strip() for origin in settings.gateway_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    for router in _OURS:
        app.include_router(router, responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})
    for router in _OPENAI:
        app.include_router(router, responses={"4XX": {"model": OpenAIProblem}, "5XX": {"model": OpenAIProblem}})
    app.include_router(documents.router)
    app.include_router(_health)
    document_roles(app.routes)
    return app


async def _open_projects(tokens: Tokens) -> None:
    """Register the projects of tokens that an earlier version created, so that files in their inboxes are ingested."""
    try:
        await asyncio.to_thread(tokens.open_projects)
    except StorageError as error:
        _LOG.warning("the projects of the tokens are not read: %s", error)


_health = APIRouter()


@_health.get("/health", include_in_schema=False)
def health() -> dict[str, str]:
    """Answer that the gateway is up."""
    return {"status": "ok"}
