"""Ingest files from https URLs: download them, then ingest them like uploads."""

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
    """Download files from https addresses and ingest them into the project."""
    return await run_as_flow(addresses.project, lambda context: ingest_from_urls(context, addresses))


async def ingest_from_urls(
    context: RunContext, addresses: Addresses, downloader: Downloader | None = None
) -> IngestReport:
    """Download each file to tmp/ and ingest them; report the outcome for each address, in order."""
    downloader = downloader or Downloader()
    slots = asyncio.Semaphore(_AT_ONCE)

    async def download(url: str) -> str | IngestItem:
        async with slots:
            return await asyncio.to_thread(_download, context, url, addresses.keep_location, downloader)

    downloads = await asyncio.gather(*(download(url) for url in addresses.urls))
    keys = [one for one in downloads if isinstance(one, str)]
    report = await ingest_files(context, keys, tuple(addresses.labels))
    await asyncio.to_thread(context.space.platform.bucket.remove_all, keys)
    ingested = iter(report.items)
    return IngestReport(items=[one if isinstance(one, IngestItem) else next(ingested) for one in downloads])


def _download(context: RunContext, url: str, keep_location: bool, downloader: Downloader) -> str | IngestItem:
    """Download one file to tmp/; return its key, or the item that says why it was rejected."""
    key = f"tmp/{uuid4()}"
    try:
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "download"
            name = downloader.download(url, path)
            metadata = {NAME_METADATA: quote(name)} | ({LOCATION_METADATA: KEEP_LOCATION} if keep_location else {})
            with path.open("rb") as file:
                context.space.platform.bucket.put(key, file, metadata=metadata)
    except (AddressRefused, DownloadFailed, TooLarge) as error:
        return IngestItem(path=url, key=url, status="rejected", reason=str(error))
    return key
