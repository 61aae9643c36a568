"""The gateway: the command line, the HTTP server and the embedded stack."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    # `triptych --help` imports this package, and needs no HTTP client.
    if name == "Client":
        from gateway.client import Client

        return Client
    raise AttributeError(name)
