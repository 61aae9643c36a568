"""One S3 bucket through the `minio` SDK: the only file that knows the SDK.

Everything here is bytes under keys. Conditional writes have no public call in the SDK (metadata named
`If-None-Match` becomes user metadata and overwrites silently), so they live in `_conditional_put` alone, and
`check_conditional_writes` shows at start-up that the server honours them.
"""

import io
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import BinaryIO, Protocol
from uuid import uuid4

import urllib3
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from storage.errors import (
    Conflict,
    ObjectNotFound,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    UnsafeStore,
)

PART_SIZE = 16 * 1024 * 1024
_LONGEST_PAUSE_SECONDS = 2.0
_LOST_RACE = frozenset({404, 409, 412})
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class Readable(Protocol):
    """Anything with a `read(size)` that returns bytes, empty at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class StoredObject:
    """What a listing or a stat tells of an object; `size` in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime | None
    metadata: dict[str, str]
    media_type: str = ""
    """Empty in listings, which do not tell it."""


class Bucket:
    """Bytes under keys in one bucket of an S3-compatible server."""

    def __init__(self, client: Minio, name: str, endpoint: str) -> None:
        self._client = client
        self.name = name
        self.endpoint = endpoint

    @classmethod
    def connect(
        cls,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        name: str,
        secure: bool,
        region: str | None,
        patience_seconds: float = 5.0,
    ) -> "Bucket":
        """A bucket on `endpoint` (host:port); connects at the first call, and again while the server restarts."""
        http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=120),
            maxsize=16,
            retries=urllib3.Retry(
                total=3 + ceil(patience_seconds / _LONGEST_PAUSE_SECONDS),
                backoff_factor=0.2,
                backoff_max=_LONGEST_PAUSE_SECONDS,
                status_forcelist=[500, 502, 503, 504],
                allowed_methods=None,  # a POST here begins or ends an upload, or deletes: all may come twice
            ),
        )
        client = Minio(
            endpoint=endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=region,
            http_client=http,
        )
        return cls(client, name, endpoint)

    def ensure(self) -> None:
        """Create the bucket when it is missing."""
        with _translated(self.name):
            if not self._client.bucket_exists(bucket_name=self.name):
                self._client.make_bucket(bucket_name=self.name)

    def get(self, key: str) -> bytes:
        """All bytes under `key`. Raises ObjectNotFound."""
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str, start: int = 0, length: int = 0) -> Generator[urllib3.BaseHTTPResponse]:
        """A stream of the bytes under `key`, or of `length` of them from `start`. Raises ObjectNotFound."""
        with _translated(key):
            response = self._client.get_object(bucket_name=self.name, object_name=key, offset=start, length=length)
        try:
            yield response
        except HTTPError as error:
            raise StorageUnavailable(f"The S3 server broke off while {key} was read.") from error
        finally:
            response.close()
            response.release_conn()

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The bytes under `key` and the ETag that `replace` wants back."""
        with self.open(key) as stream:
            return stream.read(), stream.headers.get("etag", "").strip('"')

    def stat(self, key: str) -> StoredObject | None:
        """Size, ETag and user metadata, or None when nothing is there."""
        try:
            with _translated(key):
                found = self._client.stat_object(bucket_name=self.name, object_name=key)
        except ObjectNotFound:
            return None
        return StoredObject(
            key,
            found.size or 0,
            (found.etag or "").strip('"'),
            found.last_modified,
            _user_metadata(found.metadata or {}),
            found.content_type or "",
        )

    def put(
        self,
        key: str,
        data: bytes | Readable,
        *,
        media_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write or overwrite; a stream of unknown length goes up in parts of 16 MiB."""
        source, length = (io.BytesIO(data), len(data)) if isinstance(data, bytes) else (data, -1)
        with _translated(key):
            self._client.put_object(
                bucket_name=self.name,
                object_name=key,
                data=_as_binary(source),
                length=length,
                part_size=PART_SIZE if length < 0 else 0,
                num_parallel_uploads=2,
                content_type=media_type,
                metadata=dict(metadata or {}),
            )

    def create(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> bool:
        """Write only if nothing is there. True when these bytes are what stands there now."""
        try:
            self._conditional_put(key, data, media_type, {"If-None-Match": "*"})
        except Conflict:
            # A retried request can lose against itself: what stands there decides.
            return self.get(key) == data
        return True

    def replace(self, key: str, data: bytes, *, etag: str, media_type: str = "application/json") -> None:
        """Compare-and-swap: write only if the object still has `etag`. Raises Conflict."""
        self._conditional_put(key, data, media_type, {"If-Match": f'"{etag}"'})

    def copy(self, source: str, target: str, *, etag: str | None = None) -> None:
        """Copy inside the bucket, on the server. Raises Conflict when the source has not this `etag` any more."""
        with _translated(source):
            try:
                self._client.copy_object(
                    bucket_name=self.name,
                    object_name=target,
                    source=CopySource(bucket_name=self.name, object_name=source, match_etag=etag),
                )
            except S3Error as error:
                if error.code == "PreconditionFailed":
                    raise Conflict(f"Somebody has put something else under {source}.") from error
                raise

    def remove(self, key: str) -> None:
        """Delete; removing what is not there is no error."""
        with _translated(key):
            self._client.remove_object(bucket_name=self.name, object_name=key)

    def remove_if(self, key: str, etag: str) -> bool:
        """Delete this very object; False when another one stands under the key by now.

        Servers that know no conditional delete leave the moment between a look and the delete unguarded.
        """
        found = self.stat(key)
        if found is None or found.etag != etag:
            return found is None
        with _translated(key):
            try:
                self._client._execute(  # pyright: ignore[reportPrivateUsage]
                    method="DELETE", bucket_name=self.name, object_name=key, headers={"If-Match": f'"{etag}"'}
                )
            except S3Error as error:
                if error.response.status in _LOST_RACE:
                    return self.stat(key) is None
                raise
        return True

    def remove_all(self, keys: Iterable[str]) -> None:
        """Delete many keys in few requests."""
        with _translated(self.name):
            failed = list(
                self._client.remove_objects(
                    bucket_name=self.name, delete_object_list=[DeleteObject(name=key) for key in keys]
                )
            )
        if failed:
            raise StorageError(f"{len(failed)} objects could not be deleted, the first is {failed[0].name}.")

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, in key order."""
        with _translated(prefix):
            listing = self._client.list_objects(bucket_name=self.name, prefix=prefix, recursive=True)
            for found in listing:
                if found.object_name and not found.is_dir:
                    yield StoredObject(
                        found.object_name,
                        found.size or 0,
                        (found.etag or "").strip('"'),
                        found.last_modified,
                        {},
                    )

    def folders(self) -> list[str]:
        """The first parts of all keys, without the slash, in order."""
        with _translated(self.name):
            listing = self._client.list_objects(bucket_name=self.name, prefix="", recursive=False)
            return sorted(found.object_name.rstrip("/") for found in listing if found.is_dir and found.object_name)

    def presign_get(self, key: str, *, expires: timedelta, media_type: str, disposition: str) -> str:
        """A link that anybody may read until it expires, with a fixed content type."""
        with _translated(key):
            return self._client.presigned_get_object(
                bucket_name=self.name,
                object_name=key,
                expires=expires,
                response_headers={
                    "response-content-type": media_type,
                    "response-content-disposition": disposition,
                },
            )

    def presign_put(self, key: str, *, expires: timedelta) -> str:
        """A link through which anybody may write `key` until it expires."""
        with _translated(key):
            return self._client.presigned_put_object(bucket_name=self.name, object_name=key, expires=expires)

    def compose(self, sources: Sequence[str], target: str, *, metadata: dict[str, str]) -> None:
        """Put objects together on the server, in their order; all but the last have 5 MiB or more."""
        with _translated(target):
            self._client.compose_object(
                bucket_name=self.name,
                object_name=target,
                sources=[ComposeSource(bucket_name=self.name, object_name=source) for source in sources],
                metadata=dict(metadata),
            )

    def check_conditional_writes(self) -> None:
        """Raise UnsafeStore unless a second create-only PUT and a stale swap are refused."""
        key = f"tmp/proof-{uuid4()}"
        try:
            if not self.create(key, b"first") or self.create(key, b"second") or self.get(key) != b"first":
                raise UnsafeStore(
                    f"The S3 server of bucket {self.name} accepts a second create-only PUT: "
                    "use SeaweedFS 4.34 or newer, MinIO or AWS S3."
                )
            try:
                self.replace(key, b"third", etag="0" * 32)
            except Conflict:
                return
            raise UnsafeStore(
                f"The S3 server of bucket {self.name} accepts a PUT with a stale If-Match: "
                "use SeaweedFS 4.34 or newer, MinIO or AWS S3."
            )
        finally:
            self.remove(key)

    def _conditional_put(self, key: str, data: bytes, media_type: str, condition: dict[str, str]) -> None:
        headers: dict[str, str | list[str] | tuple[str]] = {"Content-Type": media_type, **condition}
        with _translated(key):
            try:
                self._client._put_object(  # pyright: ignore[reportPrivateUsage]
                    bucket_name=self.name, object_name=key, data=data, headers=headers
                )
            except S3Error as error:
                if error.response.status in _LOST_RACE and error.code != "NoSuchBucket":
                    raise Conflict(f"Somebody else wrote {key} first.") from error
                raise


def object_from_response(key: str, response: urllib3.BaseHTTPResponse) -> StoredObject:
    """What the answer to `open` tells of the very object that it reads."""
    headers = response.headers
    size, etag = int(headers.get("content-length", 0)), headers.get("etag", "").strip('"')
    return StoredObject(key, size, etag, None, _user_metadata(headers), headers.get("content-type", ""))


def _user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-amz-meta-"
    lower = {name.lower(): value for name, value in headers.items()}
    return {name[len(prefix) :]: value for name, value in lower.items() if name.startswith(prefix)}


def _as_binary(source: Readable) -> BinaryIO:
    # The SDK asks for BinaryIO and calls read() alone.
    return source  # pyright: ignore[reportReturnType]


@contextmanager
def _translated(subject: str) -> Generator[None]:
    """The SDK's and urllib3's errors, said in our words."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectNotFound(f"Nothing is stored under {subject}.") from error
        if error.code in _REFUSED:
            raise StorageRefused(f"The S3 server refuses access to {subject}: check the S3 keys.") from error
        raise StorageError(f"The S3 server answered {error.code} for {subject}.") from error
    except (ServerError, InvalidResponseError, MinioException, HTTPError, OSError) as error:
        raise StorageUnavailable(f"The S3 server does not answer ({type(error).__name__}).") from error
