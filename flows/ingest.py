"""Ingest: uploaded files become artifacts with records, and can be found."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.findable import make_findable
from flows.form import Form, project_field
from flows.job import Job
from flows.platform import Space
from flows.prefect_job import run_as_flow
from flows.showing import ingest_page
from modalities.errors import ModalityError
from modalities.media import CAPS, identify
from storage.artifacts import Artifact
from storage.bucket import Bucket
from storage.errors import ObjectNotFound, TooLarge
from storage.records import ArtifactRecord, Kind

NAME = "name"
"""The user metadata that carries a person's file name, percent-encoded."""
_FILES_AT_ONCE = 4
_SMALL = 8 * 1024 * 1024


class IngestItem(BaseModel):
    """What became of one file; `path` is the name that the person gave it."""

    path: str
    key: str
    status: Literal["stored", "duplicate", "rejected"]
    artifact: str | None = None
    kind: Kind | None = None
    reason: str | None = None


class IngestReport(BaseModel):
    """What became of each file, in the order given."""

    items: list[IngestItem]

    def __str__(self) -> str:
        counts = {
            status: sum(item.status == status for item in self.items) for status in ("stored", "duplicate", "rejected")
        }
        return ", ".join(f"{count} {status}" for status, count in counts.items()) + "."


class UploadedFiles(Form):
    """Files that were uploaded to the bucket under tmp/, waiting to be taken in."""

    keys: list[str] = Field(
        title="Keys", description="The keys of the uploaded objects in the bucket.", min_length=1, max_length=10_000
    )
    labels: list[str] = Field(default=[], title="Labels", description="Words to find these files by.", max_length=20)
    project: str = project_field()


@flow(name="ingest")
async def ingest(files: UploadedFiles) -> State[Any]:
    """Take uploaded files into the project: stored once, recorded, and findable."""

    async def work(job: Job) -> IngestReport:
        report = await ingest_files(job, files.keys, tuple(files.labels))
        await asyncio.to_thread(job.space.platform.bucket.remove_all, files.keys)
        return report

    return await run_as_flow(files.project, work)


async def ingest_files(job: Job, keys: Sequence[str], labels: tuple[str, ...] = ()) -> IngestReport:
    """Store, record and index the objects under `keys`, which stay where they are."""
    if not keys:
        return IngestReport(items=[])
    slots = asyncio.Semaphore(_FILES_AT_ONCE)
    done = 0

    async def take(key: str) -> tuple[IngestItem, ArtifactRecord | None]:
        nonlocal done
        async with slots:
            taken = await asyncio.to_thread(_take, job, key, labels)
            done += 1
            await asyncio.to_thread(job.progress, done / len(keys))
            return taken

    taken = await asyncio.gather(*(take(key) for key in keys))
    records = {record.artifact.sha256: record for _, record in taken if record}
    failures = await make_findable(job, list(records.values()))
    items = [item.model_copy(update={"reason": failures.get(item.artifact or "", item.reason)}) for item, _ in taken]
    report = IngestReport(items=items)
    await job.show(
        "files", ingest_page([(item.path, item.status, item.artifact or "", item.reason or "") for item in items])
    )
    return report


def _take(job: Job, key: str, labels: tuple[str, ...]) -> tuple[IngestItem, ArtifactRecord | None]:
    """Store and record one object, unless it is nothing that we take."""
    bucket = job.space.platform.bucket
    name = key.rsplit("/", 1)[-1]
    try:
        name = name_of(bucket, key)
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "upload"
            _download(bucket, key, path)
            record, is_new = store_file(job.space, path, name, labels)
    except ObjectNotFound:
        return IngestItem(path=name, key=key, status="rejected", reason="It is not in the bucket any more."), None
    except (ModalityError, TooLarge) as error:
        return IngestItem(path=name, key=key, status="rejected", reason=str(error)), None
    status = "stored" if is_new else "duplicate"
    return IngestItem(path=name, key=key, status=status, artifact=record.artifact.sha256, kind=record.kind), record


def bring_along(space: Space, path: Path) -> Artifact:
    """Check and store a file to ask about it, without taking it into the library. Raises ModalityError."""
    return _put(space, path, identify(path, path.name).media_type)


def store_file(space: Space, path: Path, name: str, labels: tuple[str, ...] = ()) -> tuple[ArtifactRecord, bool]:
    """Check, store and record one file; whether the project did not have it yet. Raises ModalityError."""
    facts = identify(path, name)
    artifact = _put(space, path, facts.media_type)
    return space.records.add(
        ArtifactRecord(
            artifact=artifact,
            project=space.project,
            name=facts.name,
            labels=labels,
            properties=dict(facts.properties),
        )
    )


def _put(space: Space, path: Path, media_type: str) -> Artifact:
    if path.stat().st_size <= _SMALL:
        return space.store.put(path.read_bytes(), media_type)
    with path.open("rb") as file:
        return space.store.put(file, media_type)


def name_of(bucket: Bucket, key: str) -> str:
    """A person's name for an object: from its metadata, otherwise the last part of its key."""
    found = bucket.stat(key)
    if found is None:
        raise ObjectNotFound(f"Nothing is stored under {key}.")
    return unquote(found.metadata.get(NAME, "")) or key.rsplit("/", 1)[-1]


def _download(bucket: Bucket, key: str, path: Path) -> None:
    with bucket.open(key) as stream, path.open("wb") as file:
        size = 0
        for chunk in iter(lambda: stream.read(1024 * 1024), b""):
            size += len(chunk)
            if size > CAPS.bytes:
                raise TooLarge(f"The file is larger than the limit of {CAPS.bytes / 1e9:.0f} GB.")
            file.write(chunk)
