"""Create the ASGI app of the HTTP API and the gallery, and serve it: `python -m gateway.server --port 8000`."""

import argparse

from fastapi import FastAPI

from flows.running.platform import open_platform
from gateway.connection import ImpatientProtocol
from gateway.gallery.app import add_gallery
from gateway.http.app import create_app


def create() -> FastAPI:
    """Create the app from the settings; for `uvicorn --factory`."""
    app = create_app(open_platform())
    add_gallery(app)
    return app


def main() -> None:
    """Serve until SIGTERM. The environment's FORWARDED_ALLOW_IPS says which proxies to believe (docs/deploy.md)."""
    import uvicorn

    parser = argparse.ArgumentParser(description="Serve the gateway.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(
        "gateway.server:create",
        factory=True,
        host=options.host,
        port=options.port,
        http=ImpatientProtocol,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
