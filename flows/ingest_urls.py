"""Ingest by address: files are fetched from https addresses, and then taken in like any others."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from prefect import flow
from prefect.client.schemas.objects import State

from flows.ingest import KEEP_LOCATION, LOCATION_METADATA, NAME_METADATA, IngestItem, IngestReport, ingest_files
from flows.library.download import Downloader
from flows.running.content_forms import Addresses
from flows.running.context import RunContext
from flows.running.errors import AddressRefused, DownloadFailed
from flows.running.prefect_context import run_as_flow
from storage.errors import TooLarge

_AT_ONCE = 4


@flow(name="ingest-urls")
async def ingest_urls(addresses: Addresses) -> State[Any]:
    """Fetch files from https addresses and take them into the project."""
    return await run_as_flow(addresses.project, lambda context: ingest_from_urls(context, addresses))


async def ingest_from_urls(
    context: RunContext, addresses: Addresses, fetcher: Downloader | None = None
) -> IngestReport:
    """Fetch each file to tmp/, take them in, and say of each address what became of it."""
    fetcher = fetcher or Downloader()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def fetched(url: str) -> str | IngestItem:
        async with slots:
            return await asyncio.to_thread(_fetch, context, url, addresses.keep_location, fetcher)

    found = await asyncio.gather(*(fetched(url) for url in addresses.urls))
    keys = [one for one in found if isinstance(one, str)]
    report = await ingest_files(context, keys, tuple(addresses.labels))
    await asyncio.to_thread(context.space.platform.bucket.remove_all, keys)
    taken = iter(report.items)
    return IngestReport(items=[one if isinstance(one, IngestItem) else next(taken) for one in found])


def _fetch(context: RunContext, url: str, keep_location: bool, fetcher: Downloader) -> str | IngestItem:
    """The key of the fetched file, or why there is none."""
    key = f"tmp/{uuid4()}"
    try:
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "fetched"
            name = fetcher.fetch(url, path)
            told = {NAME_METADATA: quote(name)} | ({LOCATION_METADATA: KEEP_LOCATION} if keep_location else {})
            with path.open("rb") as file:
                context.space.platform.bucket.put(key, file, metadata=told)
    except (AddressRefused, DownloadFailed, TooLarge) as error:
        return IngestItem(path=url, key=url, status="rejected", reason=str(error))
    return key
