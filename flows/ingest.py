"""Ingest uploaded files: store them as artifacts, record them, and index them for search."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import unquote

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.classification.automatic import label_new
from flows.library.download import save_stream
from flows.library.indexing import IndexFailures, read_and_index
from flows.library.markdown import ingest_page
from flows.library.reading.contents import read_contents
from flows.library.reading.inner_pictures import record_inner_pictures
from flows.library.reading.sidecars import read_sidecars
from flows.library.trash import renew
from flows.running.content_forms import UploadedFiles
from flows.running.context import RunContext
from flows.running.errors import FilesWait
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from media.errors import DecoderFailed, ItemError
from media.facts import CONTENTS, Property
from storage.artifacts import Artifact
from storage.errors import ObjectNotFound, RecordCorrupt, TooLarge
from storage.objects import object_from_response
from storage.records import ArtifactRecord, Kind

NAME_METADATA = "name"
"""Key of the object metadata that holds the file name, percent-encoded."""
LOCATION_METADATA, KEEP_LOCATION = "location", "keep"
"""Key and value of the object metadata that keeps the location in a picture; otherwise it is removed."""
CHUNK_FILES = 100
"""Files that are ingested together. A crash can lose the unfinished work on this many."""
_FILES_AT_ONCE = 4
_SMALL = 8 * 1024 * 1024


class IngestItem(BaseModel):
    """The outcome for one file; `path` is the name that the person gave it.

    A file that is `waiting` is tried again: the reason is a fault of the platform's, such as a model that cannot load.
    """

    path: str
    key: str
    status: Literal["stored", "duplicate", "rejected", "waiting"]
    artifact: str | None = None
    kind: Kind | None = None
    reason: str | None = None


class IngestReport(BaseModel):
    """The outcome for each file, in the order given."""

    items: list[IngestItem]

    def __str__(self) -> str:
        counts = {
            status: sum(item.status == status for item in self.items) for status in ("stored", "duplicate", "rejected")
        }
        waiting = sum(item.status == "waiting" for item in self.items)
        return (
            ", ".join(
                f"{count} {status}" for status, count in (counts | ({"waiting": waiting} if waiting else {})).items()
            )
            + "."
        )


@dataclass(frozen=True)
class IngestedObject:
    """The outcome for one object, the ETag of the version that was read, and the record.

    The ETag is empty if the object was gone.
    """

    item: IngestItem
    etag: str
    record: ArtifactRecord | None
    inner: tuple[ArtifactRecord, ...] = ()
    """The pictures inside a document."""


@flow(name="ingest")
async def ingest(files: UploadedFiles) -> State[Any]:
    """Ingest uploaded files into the project: store them once, record them, and index them for search."""

    async def delete_uploads(context: RunContext) -> None:
        await asyncio.to_thread(context.space.platform.bucket.remove_all, files.keys)

    return await run_as_flow(files.project, lambda context: ingest_uploads(context, files), cleanup=delete_uploads)


async def ingest_uploads(context: RunContext, files: UploadedFiles) -> IngestReport:
    """Ingest the objects that a form names."""
    return await ingest_files(context, files.keys, tuple(files.labels))


async def ingest_files(context: RunContext, keys: Sequence[str], labels: tuple[str, ...] = ()) -> IngestReport:
    """Store, record and index the objects under `keys`; the objects themselves stay.

    Raises FilesWait at the end, when the others are done, if some wait for the platform: the run is tried again.
    """
    items: list[IngestItem] = []
    for start in range(0, len(keys), CHUNK_FILES):
        items += [one.item for one in await ingest_chunk(context, keys[start : start + CHUNK_FILES], labels)]
    report = IngestReport(items=items)
    await show_report(context, report)
    if waiting := [item for item in items if item.status == "waiting"]:
        raise FilesWait(f"{len(waiting)} of {len(items)} files wait, such as {waiting[0].path}: {waiting[0].reason}")
    return report


async def ingest_chunk(context: RunContext, keys: Sequence[str], labels: tuple[str, ...] = ()) -> list[IngestedObject]:
    """Store, record and index a chunk of objects, which stay. Idempotent: after a crash it is called again."""
    slots = asyncio.Semaphore(_FILES_AT_ONCE)
    done = 0

    async def ingest_one(key: str) -> IngestedObject:
        nonlocal done
        async with slots:
            ingested = await asyncio.to_thread(_store_object, context, key, labels)
            done += 1
            await asyncio.to_thread(context.progress, done / len(keys))
            return ingested

    chunk = await asyncio.gather(*(ingest_one(key) for key in keys))
    found = [record for one in chunk for record in (one.record, *one.inner) if record]
    records = {record.artifact.sha256: record for record in found}
    failures = await read_and_index(context, list(records.values()))
    await label_new(context, [record for sha256, record in records.items() if sha256 not in failures])
    return [_with_failure(one, failures) for one in chunk]


def _with_failure(one: IngestedObject, failures: IndexFailures) -> IngestedObject:
    """Return the outcome with the reason why the artifact, or a picture in it, could not be indexed."""
    ids = [record.artifact.sha256 for record in (one.record, *one.inner) if record]
    failed = [sha256 for sha256 in ids if sha256 in failures]
    waiting = [sha256 for sha256 in failed if sha256 in failures.waiting]
    if not waiting and not (failed and failed[0] == one.item.artifact):
        return one
    update = {"reason": failures[(waiting or failed)[0]]} | ({"status": "waiting"} if waiting else {})
    return replace(one, item=one.item.model_copy(update=update))


async def show_report(context: RunContext, report: IngestReport) -> None:
    """Show the outcome for each file as a table."""
    rows = [(item.path, item.status, item.artifact or "", item.reason or "") for item in report.items]
    if rows:
        await context.show("files", ingest_page(rows))


def _store_object(context: RunContext, key: str, labels: tuple[str, ...]) -> IngestedObject:
    """Store and record one object; reject it if it is not a supported file."""
    name, etag = key.rsplit("/", 1)[-1], ""
    try:
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "upload"
            with context.space.platform.bucket.open(key) as stream:
                found = object_from_response(key, stream)
                name, etag = unquote(found.metadata.get(NAME_METADATA, "")) or name, found.etag
                save_stream(stream, path)
            keep = found.metadata.get(LOCATION_METADATA) == KEEP_LOCATION
            told = read_sidecars(context.space, found)
            record, is_new = store_file(context.space, path, name, labels, keep_location=keep, told=told)
            inner = record_inner_pictures(context.space, record, path)
            reason = None if is_new else renew(context.space, record, labels)
    except ObjectNotFound:
        return IngestedObject(_failed("rejected", name, key, "It is not in the bucket any more."), "", None)
    except RecordCorrupt as error:  # of an earlier upload of the same file
        return IngestedObject(_failed("waiting", name, key, str(error)), etag, None)
    except (ItemError, TooLarge) as error:
        if isinstance(error, DecoderFailed) and not error.is_about_the_file:
            raise
        status = "waiting" if error.retryable else "rejected"
        return IngestedObject(_failed(status, name, key, str(error)), etag, None)
    status = "stored" if is_new else "duplicate"
    item = IngestItem(
        path=name, key=key, status=status, artifact=record.artifact.sha256, kind=record.kind, reason=reason
    )
    return IngestedObject(item, etag, record, inner)


def _failed(status: Literal["rejected", "waiting"], name: str, key: str, reason: str) -> IngestItem:
    return IngestItem(path=name, key=key, status=status, reason=reason)


def store_unrecorded(space: Space, path: Path) -> Artifact:
    """Check and store a file without recording it: the input of one request. Raises ItemError."""
    facts = space.platform.decoders.identify(path, path.name)
    artifact = _store(space, path, facts.media_type)
    if facts.kind == "image" and CONTENTS in facts.properties:  # models decode the copy
        shown = read_contents(space, artifact, path).shown
        return shown.artifact if shown else artifact
    return artifact


def store_file(
    space: Space,
    path: Path,
    name: str,
    labels: tuple[str, ...] = (),
    *,
    keep_location: bool = False,
    told: Mapping[str, Property] = MappingProxyType({}),
) -> tuple[ArtifactRecord, bool]:
    """Check, store and record one file; return its record and whether it is new to the project. Raises ItemError.

    The location in a picture is removed first, unless `keep_location` is set. `told` are properties that sidecars
    give; what the file itself says comes first.
    """
    decoders = space.platform.decoders
    facts = decoders.identify(path, name)
    has_location = not keep_location and decoders.drop_location(path, facts.media_type)
    dropped = {"location": "dropped"} if has_location else {}
    artifact = _store(space, path, facts.media_type)
    return space.records.add(
        ArtifactRecord(
            artifact=artifact,
            project=space.project,
            name=facts.name,
            labels=labels,
            properties=dict(told) | facts.properties | dropped,
        )
    )


def _store(space: Space, path: Path, media_type: str) -> Artifact:
    if path.stat().st_size <= _SMALL:
        return space.store.put(path.read_bytes(), media_type)
    with path.open("rb") as file:
        return space.store.put(file, media_type)
