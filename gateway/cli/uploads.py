"""Upload local files to the bucket, for an ingest run or the inbox."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from flows.ingest import KEEP_LOCATION, LOCATION_METADATA, NAME_METADATA
from gateway.errors import WrongInput
from storage.bucket import Bucket

_CONCURRENCY = 4


def files_under(paths: Sequence[Path]) -> list[Path]:
    """Return the given files, and all files below the given folders, in order. Raises WrongInput."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise WrongInput(f"There is no file or folder {path}.")
        found += sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]
    if not found:
        raise WrongInput("The folders that were named have no files in them.")
    return list(dict.fromkeys(found))


def urls_in(paths: Sequence[str]) -> list[str]:
    """Return the URLs among the arguments. Raises WrongInput unless all are https."""
    found = [path for path in paths if "://" in path]
    for address in found:
        if not address.startswith("https://"):
            raise WrongInput(f"Files are fetched from addresses that begin with https:// alone, not from {address}.")
    return found


def upload(
    bucket: Bucket, files: Sequence[Path], report: Callable[[int, int], None], *, keep_location: bool = False
) -> dict[str, Path]:
    """Store each file under a new key in tmp/, with its name as metadata. Return the file of each key."""
    location = {LOCATION_METADATA: KEEP_LOCATION} if keep_location else {}
    keys = {f"tmp/{uuid4()}": path for path in files}
    done = 0

    def send(pair: tuple[str, Path]) -> None:
        nonlocal done
        key, path = pair
        with path.open("rb") as file:
            bucket.put(key, file, metadata={NAME_METADATA: quote(path.name)} | location)
        done += 1
        report(done, len(files))

    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        list(threads.map(send, keys.items()))
    return keys


def drop_into_inbox(bucket: Bucket, files: Sequence[Path], project: str = "default") -> None:
    """Put files into the inbox of a project under their own names."""
    for path in files:
        with path.open("rb") as file:
            bucket.put(f"inbox/{project}/{path.name}", file)
