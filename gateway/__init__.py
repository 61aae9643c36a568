"""The gateway: the Python client, the command line, the HTTP API and the gallery."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    # Imported lazily: `triptych --help` imports this package and needs no HTTP client.
    if name == "Client":
        from gateway.client import Client

        return Client
    raise AttributeError(name)
