"""The minio SDK behind the bucket: a client with retries, conditional requests, and its errors translated into ours."""

import hmac
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from math import ceil
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from storage.errors import Conflict, ObjectNotFound, StorageError, StorageRefused, StorageUnavailable

_LONGEST_PAUSE_SECONDS = 2.0
_PRECONDITION_FAILED = frozenset({404, 409, 412})
_NOT_FOUND = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_ACCESS_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def retrying_http(patience_seconds: float) -> urllib3.PoolManager:
    """A connection pool that retries for about `patience_seconds`, with exponential backoff."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5, read=120),
        maxsize=16,
        retries=urllib3.Retry(
            total=3 + ceil(patience_seconds / _LONGEST_PAUSE_SECONDS),
            backoff_factor=0.2,
            backoff_max=_LONGEST_PAUSE_SECONDS,
            status_forcelist=[500, 502, 503, 504],
            allowed_methods=None,  # also POST: here it starts or completes an upload, or deletes, and can be repeated
        ),
    )


def signer(url: str, access_key: str, secret_key: str, region: str | None) -> Minio:
    """A client that presigns URLs at another address of the server. It sends nothing: the region is given."""
    address = urlsplit(url)
    return Minio(
        endpoint=address.netloc,
        access_key=access_key,
        secret_key=secret_key,
        secure=address.scheme == "https",
        region=region or "us-east-1",
    )


def presign_put(client: Minio, bucket: str, key: str, size: int, expires: timedelta) -> str:
    """A presigned URL to write exactly `size` bytes: its signature covers Content-Length.

    The SDK signs the host alone; its signature is replaced (AWS Signature Version 4, query parameters).
    """
    url = urlsplit(client.presigned_put_object(bucket_name=bucket, object_name=key, expires=expires))
    told = dict(parse_qsl(url.query)) | {"X-Amz-SignedHeaders": "content-length;host"}
    told.pop("X-Amz-Signature")
    query = urlencode(sorted(told.items()), quote_via=quote, safe="-_.~")
    headers = f"content-length:{size}\nhost:{url.netloc}\n"
    request = "\n".join(("PUT", url.path, query, headers, told["X-Amz-SignedHeaders"], "UNSIGNED-PAYLOAD"))
    scope = told["X-Amz-Credential"].split("/", 1)[1]
    signed = "\n".join((told["X-Amz-Algorithm"], told["X-Amz-Date"], scope, sha256(request.encode()).hexdigest()))
    credentials = client._provider.retrieve()  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess]
    secret = f"AWS4{credentials.secret_key}".encode()
    for part in (*scope.split("/"), signed):
        secret = hmac.digest(secret, part.encode(), "sha256")
    return url._replace(query=f"{query}&X-Amz-Signature={secret.hex()}").geturl()


# The SDK has no public call for a conditional write: it turns metadata named `If-None-Match` into user metadata, and
# overwrites silently. `Bucket.check_conditional_writes` proves that these private calls, and the server, do it right.


def put_if(client: Minio, bucket: str, key: str, data: bytes, media_type: str, condition: dict[str, str]) -> None:
    """PUT with `If-None-Match` or `If-Match`. Raises Conflict when the condition does not hold."""
    headers: dict[str, str | list[str] | tuple[str]] = {"Content-Type": media_type, **condition}
    with translated_errors(key):
        try:
            client._put_object(  # pyright: ignore[reportPrivateUsage]
                bucket_name=bucket, object_name=key, data=data, headers=headers
            )
        except S3Error as error:
            if error.response.status in _PRECONDITION_FAILED and error.code != "NoSuchBucket":
                raise Conflict(f"Somebody else wrote {key} first.") from error
            raise


def delete_if_match(client: Minio, bucket: str, key: str, etag: str) -> bool:
    """DELETE with `If-Match`; False when the object has another ETag or is gone."""
    with translated_errors(key):
        try:
            client._execute(  # pyright: ignore[reportPrivateUsage]
                method="DELETE", bucket_name=bucket, object_name=key, headers={"If-Match": f'"{etag}"'}
            )
        except S3Error as error:
            if error.response.status in _PRECONDITION_FAILED:
                return False
            raise
    return True


@contextmanager
def translated_errors(subject: str) -> Generator[None]:
    """Raise a StorageError for an error of the SDK or urllib3; `subject` is the key or bucket to name."""
    try:
        yield
    except S3Error as error:
        if error.code in _NOT_FOUND:
            raise ObjectNotFound(f"Nothing is stored under {subject}.") from error
        if error.code in _ACCESS_DENIED:
            raise StorageRefused(f"The S3 server refuses access to {subject}: check the S3 keys.") from error
        raise StorageError(f"The S3 server answered {error.code} for {subject}.") from error
    except (ServerError, InvalidResponseError, MinioException, HTTPError, OSError) as error:
        raise StorageUnavailable(f"The S3 server does not answer ({type(error).__name__}).") from error
