"""Create the ASGI app that serves the HTTP API and the gallery."""

from fastapi import FastAPI

from flows.running.platform import open_platform
from gateway.gallery.app import add_gallery
from gateway.http.app import create_app


def create() -> FastAPI:
    """Create the app from the settings; for `uvicorn --factory`."""
    app = create_app(open_platform())
    add_gallery(app)
    return app
