"""Files on their way in: uploaded to tmp/, then taken in by a job."""

from collections.abc import Sequence
from typing import BinaryIO
from urllib.parse import quote
from uuid import uuid4

from flows.ingest import NAME
from flows.platform import Space
from gateway.access import Caller
from gateway.job import Job
from gateway.jobs import UPLOADED


def put_upload(space: Space, file: BinaryIO, name: str) -> str:
    """Store a stream under a key of its own in tmp/, its name beside it."""
    key = f"tmp/{uuid4()}"
    space.platform.bucket.put(key, file, metadata={NAME: file_name(name)})
    return key


def file_name(name: str) -> str:
    """A person's name for a file as S3 can keep it; the last part of a path."""
    return quote(name.replace("\\", "/").rsplit("/", 1)[-1][:200] or "upload", errors="replace")


async def take_in(caller: Caller, keys: Sequence[str], labels: Sequence[str], *, key: str | None = None) -> Job:
    """A job that takes uploaded files into the caller's project."""
    values = {"files": {"keys": list(keys), "labels": list(labels)}}
    return await caller.services.jobs.start(caller.person, caller.project, UPLOADED, values, key=key)
