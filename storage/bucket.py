"""One bucket of an S3-compatible server: bytes under keys. Only this file and minio_client.py know the `minio` SDK."""

import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import BinaryIO
from uuid import uuid4

import urllib3
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from storage.errors import Conflict, ObjectNotFound, StorageError, StorageUnavailable, UnsafeStore
from storage.minio_client import delete_if_match, presign_put, put_if, retrying_http, signer, translated_errors
from storage.objects import Readable, StoredObject, user_metadata

PART_SIZE = 16 * 1024 * 1024


class Bucket:
    """Bytes under keys in one bucket of an S3-compatible server."""

    def __init__(self, client: Minio, name: str, endpoint: str, public: Minio | None = None) -> None:
        self._client = client
        self._public = public or client
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
        public_url: str | None = None,
    ) -> "Bucket":
        """A bucket on `endpoint` (host:port); presigned URLs lead to `public_url`. Connects at the first call."""
        client = Minio(
            endpoint=endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=region,
            http_client=retrying_http(patience_seconds),
        )
        return cls(client, name, endpoint, signer(public_url, access_key, secret_key, region) if public_url else None)

    def ensure(self) -> None:
        """Create the bucket when it is missing."""
        with translated_errors(self.name):
            if not self._client.bucket_exists(bucket_name=self.name):
                self._client.make_bucket(bucket_name=self.name)

    def get(self, key: str) -> bytes:
        """All bytes under `key`. Raises ObjectNotFound."""
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str, start: int = 0, length: int = 0) -> Generator[urllib3.BaseHTTPResponse]:
        """A stream of the bytes under `key`, or of `length` of them from `start`. Raises ObjectNotFound."""
        with translated_errors(key):
            response = self._client.get_object(bucket_name=self.name, object_name=key, offset=start, length=length)
        try:
            yield response
        except HTTPError as error:
            raise StorageUnavailable(f"The S3 server broke off while {key} was read.") from error
        finally:
            response.close()
            response.release_conn()

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The bytes under `key` and their ETag, to pass to `replace`. Raises ObjectNotFound."""
        with self.open(key) as stream:
            return stream.read(), stream.headers.get("etag", "").strip('"')

    def stat(self, key: str) -> StoredObject | None:
        """The attributes of the object under `key`, or None when there is none."""
        try:
            with translated_errors(key):
                found = self._client.stat_object(bucket_name=self.name, object_name=key)
        except ObjectNotFound:
            return None
        return StoredObject(
            key,
            found.size or 0,
            (found.etag or "").strip('"'),
            found.last_modified,
            user_metadata(found.metadata or {}),
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
        """Write or overwrite; a stream of unknown length is uploaded in parts of 16 MiB."""
        source, length = (io.BytesIO(data), len(data)) if isinstance(data, bytes) else (data, -1)
        with translated_errors(key):
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
        """Write only if nothing is stored under `key`. True when these bytes are stored there now."""
        # A retried request can conflict with its own first attempt: so compare the stored bytes.
        return self.create_absent(key, data, media_type=media_type) or self.get(key) == data

    def create_absent(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> bool:
        """Write only if nothing is stored under `key`; False when something is, perhaps these bytes."""
        try:
            put_if(self._client, self.name, key, data, media_type, {"If-None-Match": "*"})
        except Conflict:
            return False
        return True

    def replace(self, key: str, data: bytes, *, etag: str, media_type: str = "application/json") -> None:
        """Compare-and-swap: write only if the object still has `etag`. Raises Conflict."""
        put_if(self._client, self.name, key, data, media_type, {"If-Match": f'"{etag}"'})

    def copy(self, source: str, target: str, *, etag: str | None = None) -> None:
        """Copy on the server. Raises Conflict when the source does not have this `etag` any more."""
        with translated_errors(source):
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
        with translated_errors(key):
            self._client.remove_object(bucket_name=self.name, object_name=key)

    def remove_if(self, key: str, etag: str) -> bool:
        """Delete the object if it still has `etag`; False when another one is stored under the key by now.

        On servers that ignore `If-Match` for deletes, a write between the stat and the delete is lost.
        """
        found = self.stat(key)
        if found is None or found.etag != etag:
            return found is None
        return delete_if_match(self._client, self.name, key, etag) or self.stat(key) is None

    def remove_all(self, keys: Iterable[str]) -> None:
        """Delete many keys in few requests."""
        with translated_errors(self.name):
            failed = list(
                self._client.remove_objects(
                    bucket_name=self.name, delete_object_list=[DeleteObject(name=key) for key in keys]
                )
            )
        if failed:
            raise StorageError(f"{len(failed)} objects could not be deleted, the first is {failed[0].name}.")

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, in key order."""
        with translated_errors(prefix):
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
        """The top-level folders (first parts of the keys, without the slash), sorted."""
        with translated_errors(self.name):
            listing = self._client.list_objects(bucket_name=self.name, prefix="", recursive=False)
            return sorted(found.object_name.rstrip("/") for found in listing if found.is_dir and found.object_name)

    def presign_get(self, key: str, *, expires: timedelta, media_type: str, disposition: str) -> str:
        """A presigned URL to read `key` until it expires, with a fixed content type."""
        with translated_errors(key):
            return self._public.presigned_get_object(
                bucket_name=self.name,
                object_name=key,
                expires=expires,
                response_headers={
                    "response-content-type": media_type,
                    "response-content-disposition": disposition,
                },
            )

    def presign_put(self, key: str, size: int, *, expires: timedelta) -> str:
        """A presigned URL to write exactly `size` bytes under `key` until it expires."""
        with translated_errors(key):
            return presign_put(self._public, self.name, key, size, expires)

    def compose(self, sources: Sequence[str], target: str, *, metadata: dict[str, str]) -> None:
        """Concatenate objects on the server, in this order; all but the last must have at least 5 MiB."""
        with translated_errors(target):
            self._client.compose_object(
                bucket_name=self.name,
                object_name=target,
                sources=[ComposeSource(bucket_name=self.name, object_name=source) for source in sources],
                metadata=dict(metadata),
            )

    def check_conditional_writes(self) -> None:
        """Raise UnsafeStore unless the server refuses a second create-only PUT and a PUT with a stale ETag."""
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


def _as_binary(source: Readable) -> BinaryIO:
    # The SDK is annotated with BinaryIO, and calls nothing but read().
    return source  # pyright: ignore[reportReturnType]
