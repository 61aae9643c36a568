"""A retry policy for the first request of a Prefect client."""

from typing import Any

from prefect.client.orchestration import PrefectClient, SyncPrefectClient


def retry_first_request(client: PrefectClient | SyncPrefectClient) -> None:
    """Make the client retry connection errors from its first request on.

    Prefect retries only after one request succeeded, because the address might be wrong before. Here it is known to
    be right: the worker received the run from it.
    """
    known: Any = client
    known._client._has_connected = True
