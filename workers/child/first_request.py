"""A process's first question waits for a server that is away, as all its later ones do."""

from typing import Any

from prefect.client.orchestration import PrefectClient, SyncPrefectClient


def outlast_absence(client: PrefectClient | SyncPrefectClient) -> None:
    """Have the client ask again when nobody answers, also at first: Prefect would take the address for a wrong one.

    Here it is right: the worker had its orders from there.
    """
    known: Any = client
    known._client._has_connected = True
