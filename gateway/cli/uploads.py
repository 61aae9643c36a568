"""Upload local files to the bucket, for an ingest run or the inbox."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from flows.ingest import KEEP_LOCATION, LOCATION_METADATA, NAME_METADATA
from flows.library.reading.sidecars import MAX_SIDECAR_BYTES, SIDECARS_METADATA, sidecar_key
from flows.running.platform import Space
from gateway.errors import WrongInput
from storage.bucket import Bucket
from storage.errors import RecordCorrupt
from storage.labels import TRASH

_CONCURRENCY = 4


def known_files(space: Space, files: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Return id and kind of the artifact for each file whose bytes the project has already stored unchanged.

    Not for those in the trash, since ingesting such a file again takes it out, nor for those whose record or labels
    cannot be read: ingesting says so.
    """

    def find(path: Path) -> dict[str, Any] | None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            record = space.records.find(digest)
            if record is None or TRASH in space.labels.of(record):
                return None
        except RecordCorrupt:
            return None
        return {"artifact": digest, "kind": record.kind}

    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        found = list(threads.map(find, files))
    return {path: row for path, row in zip(files, found, strict=True) if row}


def urls_in(paths: Sequence[str]) -> list[str]:
    """Return the URLs among the arguments. Raises WrongInput unless all are https."""
    found = [path for path in paths if "://" in path]
    for address in found:
        if not address.startswith("https://"):
            raise WrongInput(f"Files are fetched from addresses that begin with https:// alone, not from {address}.")
    return found


def upload(
    bucket: Bucket,
    files: Sequence[Path],
    *,
    keep_location: bool = False,
    sidecars: Mapping[Path, Sequence[Path]] = MappingProxyType({}),
) -> dict[str, Path]:
    """Store each file under a new key in tmp/, with its name as metadata. Return the file of each key.

    The sidecars of a file are stored beside it, under keys of its own key; ingesting reads them.
    """
    location = {LOCATION_METADATA: KEEP_LOCATION} if keep_location else {}
    keys = {f"tmp/{uuid4()}": path for path in files}

    def send(pair: tuple[str, Path]) -> None:
        key, path = pair
        told = {SIDECARS_METADATA: str(len(sidecars[path]))} if path in sidecars else {}
        for number, sidecar in enumerate(sidecars.get(path, ())):
            bucket.put(sidecar_key(key, number), io.BytesIO(sidecar.read_bytes()[:MAX_SIDECAR_BYTES]))
        with path.open("rb") as file:
            bucket.put(key, file, metadata={NAME_METADATA: quote(path.name, errors="replace")} | location | told)

    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        list(threads.map(send, keys.items()))
    return keys


def drop_into_inbox(bucket: Bucket, files: Sequence[Path], project: str = "default") -> None:
    """Put files into the inbox of a project under their own names."""
    for path in files:
        with path.open("rb") as file:
            bucket.put(f"inbox/{project}/{path.name}", file)
