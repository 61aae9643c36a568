"""The gateway's HTTP server: the API and the gallery in one ASGI app."""

from fastapi import FastAPI

from flows.running.platform import open_platform
from gateway.gallery.app import add_gallery
from gateway.http.app import create_app


def create() -> FastAPI:
    """The app of the platform that the environment names; for `uvicorn --factory`."""
    app = create_app(open_platform())
    add_gallery(app)
    return app
