"""Store uploaded files: for an ingest job, or as the input of a single request."""

import shutil
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
from uuid import uuid4

from flows.ingest import NAME_METADATA, store_unrecorded
from flows.library.file_names import file_name
from flows.running.platform import Space
from gateway.errors import WrongInput
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from gateway.http.jobs.jobs import INGEST
from storage.artifacts import Artifact
from storage.records import Kind, kind_of


def store_upload(space: Space, file: BinaryIO, name: str) -> str:
    """Store a stream under a new key in tmp/, with its file name as metadata. Return the key."""
    key = f"tmp/{uuid4()}"
    space.platform.bucket.put(key, file, metadata={NAME_METADATA: encoded_file_name(name)})
    return key


def encoded_file_name(name: str) -> str:
    """Return the base name, percent-encoded because S3 metadata is ASCII."""
    return quote(_base_name(name), errors="replace")


async def start_ingest(
    caller: Caller, keys: Sequence[str], labels: Sequence[str], *, idempotency_key: str | None = None
) -> Job:
    """Start a job that ingests uploaded files into the caller's project."""
    values = {"files": {"keys": list(keys), "labels": list(labels)}}
    return await caller.services.jobs.start(caller.person, caller.project, INGEST, values, key=idempotency_key)


def store_query_file(space: Space, file: BinaryIO, name: str, kind: Kind | None = None) -> Artifact:
    """Check a stream and store it as a request's input, without adding it to the library.

    Raises ItemError, and WrongInput if it is not of the kind.
    """
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        path = Path(folder) / _base_name(name)
        with path.open("wb") as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy, 1024 * 1024)
        artifact = store_unrecorded(space, path)
    if kind and kind_of(artifact.media_type) != kind:
        wanted = {"image": "picture", "speech": "recording"}.get(kind, kind)
        raise WrongInput(f"{name} is no {wanted} but {artifact.media_type}.")
    return artifact


def store_query_picture(space: Space, data: bytes, name: str) -> Artifact:
    """Check the bytes of a picture and store them as a request's input."""
    return store_query_file(space, BytesIO(data), name, "image")


def _base_name(name: str) -> str:
    return file_name(name.replace("\\", "/").rsplit("/", 1)[-1], "upload")
