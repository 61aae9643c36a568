"""Files on their way in: into the library by a job, or brought along to ask about them."""

import shutil
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
from uuid import uuid4

from flows.ingest import NAME_METADATA, store_unrecorded
from flows.running.platform import Space
from gateway.errors import WrongInput
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from gateway.http.jobs.jobs import INGEST
from storage.artifacts import Artifact
from storage.records import Kind, kind_of


def put_upload(space: Space, file: BinaryIO, name: str) -> str:
    """Store a stream under a key of its own in tmp/, its name beside it."""
    key = f"tmp/{uuid4()}"
    space.platform.bucket.put(key, file, metadata={NAME_METADATA: file_name(name)})
    return key


def file_name(name: str) -> str:
    """A person's name for a file as S3 can keep it; the last part of a path."""
    return quote(_last_part(name), errors="replace")


async def take_in(caller: Caller, keys: Sequence[str], labels: Sequence[str], *, key: str | None = None) -> Job:
    """A job that takes uploaded files into the caller's project."""
    values = {"files": {"keys": list(keys), "labels": list(labels)}}
    return await caller.services.jobs.start(caller.person, caller.project, INGEST, values, key=key)


def brought(space: Space, file: BinaryIO, name: str, kind: Kind | None = None) -> Artifact:
    """Check and store a stream to ask about it, without taking it into the library.

    Raises ItemError, and WrongInput for what is not of the kind.
    """
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        path = Path(folder) / _last_part(name)
        with path.open("wb") as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy, 1024 * 1024)
        artifact = store_unrecorded(space, path)
    if kind and kind_of(artifact.media_type) != kind:
        wanted = {"image": "picture", "speech": "recording"}.get(kind, kind)
        raise WrongInput(f"{name} is no {wanted} but {artifact.media_type}.")
    return artifact


def brought_picture(space: Space, data: bytes, name: str) -> Artifact:
    """The same for the bytes of a picture."""
    return brought(space, BytesIO(data), name, "image")


def _last_part(name: str) -> str:
    shown = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
    return shown[-100:].strip(". ") or "upload"
