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

    async def download(url: str, key: str) -> IngestItem | None:
        async with slots:
            return await asyncio.to_thread(_download, context, url, key, addresses.keep_location, downloader)

    keys = [f"tmp/{uuid4()}" for _ in addresses.urls]
    try:
        rejected = await asyncio.gather(*(download(*each) for each in zip(addresses.urls, keys, strict=True)))
        stored = [key for key, item in zip(keys, rejected, strict=True) if item is None]
        report = await ingest_files(context, stored, tuple(addresses.labels))
    finally:
        await asyncio.to_thread(context.space.platform.bucket.remove_all, keys)
    ingested = iter(report.items)
    return IngestReport(items=[item or next(ingested) for item in rejected])


def _download(
    context: RunContext, url: str, key: str, keep_location: bool, downloader: Downloader
) -> IngestItem | None:
    """Download one file to `key`; return the item that says why it was rejected, if it was."""
    try:
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "download"
            name = downloader.download(url, path)
            metadata = {NAME_METADATA: quote(name)} | ({LOCATION_METADATA: KEEP_LOCATION} if keep_location else {})
            with path.open("rb") as file:
                context.space.platform.bucket.put(key, file, metadata=metadata)
    except (AddressRefused, DownloadFailed, TooLarge) as error:
        return IngestItem(path=url, key=url, status="rejected", reason=str(error))
    return None
