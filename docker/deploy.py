"""Prepare a deployed platform: create the bucket, the index, Prefect's pools and queues, and deploy the flows.

It does for servers in containers what `triptych up` does on one machine. Compose and Kubernetes run it once at each
start; it is idempotent.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flows.care.migration import migrate_bucket
from flows.running.errors import FlowError, NotReachable
from flows.running.platform import Platform
from flows.running.prefect_api import api_of, is_healthy
from flows.running.settings import SettingsMissing, load_settings
from gateway.cli.terminal import say
from stack.errors import StackError
from stack.servers import postgres
from stack.servers import prefect as prefect_server
from stack.servers.zombie_trainings import ensure_automation
from storage.bucket import Bucket
from storage.errors import StorageError

_TIMEOUT_SECONDS = 180.0


def main() -> None:
    """Wait for the servers, then prepare them. Raises NotReachable, PartDidNotStart, SettingsMissing, StorageError."""
    settings = load_settings()
    platform = Platform(settings)
    if not settings.prefect_api_url:
        raise SettingsMissing("TRIPTYCH_PREFECT_API_URL is not set: give the address of the Prefect server's API.")
    api = api_of(settings)
    _wait_until(
        "the database of TRIPTYCH_POSTGRES_DSN", lambda: postgres.answers(settings.postgres_dsn.get_secret_value())
    )
    _wait_until(f"the S3 server at {settings.s3_endpoint}", lambda: _is_ready(platform.bucket))
    _wait_until(f"the Prefect server at {api.url}", lambda: is_healthy(api.url))
    platform.index.ensure_schema()
    migrate_bucket(platform, say)
    prefect_server.prepare_pools(api)
    ensure_automation(api)
    # An empty home, so that no earlier run's note of what is deployed applies.
    with tempfile.TemporaryDirectory() as home:
        prefect_server.deploy(Path(home), settings.root, api)
    say("The bucket, the index, the pools and the deployments are ready.")


def _is_ready(bucket: Bucket) -> bool:
    """Create the bucket if it is missing; return whether it is usable. Errors that a retry cannot help are raised."""
    try:
        bucket.ensure()
        bucket.check_conditional_writes()
    except StorageError as error:
        if not error.retryable:
            raise
        return False
    return True


def _wait_until(what: str, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise NotReachable(
                f"After {_TIMEOUT_SECONDS:.0f} s {what} does not answer as it should: check address and password."
            )
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except (FlowError, StackError, SettingsMissing, StorageError) as error:
        sys.exit(str(error))
