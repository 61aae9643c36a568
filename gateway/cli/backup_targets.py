"""Open the target of a backup: a folder, or a bucket whose endpoint and keys are in the environment."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings

from gateway.errors import WrongInput
from storage.bucket import Bucket
from storage.care.object_store import FolderStore, ObjectStore

_SCHEME = "s3://"


class _S3Settings(BaseSettings):
    """The environment variables TRIPTYCH_<PROFILE>_S3_…"""

    s3_endpoint: str = Field(description="host:port of the S3 server")
    s3_access_key: str
    s3_secret_key: SecretStr
    s3_secure: bool = True
    s3_region: str | None = "us-east-1"


def backup_target(where: str, profile: str) -> ObjectStore:
    """Open a folder, or the bucket of `s3://bucket` with the keys of `profile`. Raises WrongInput."""
    if "://" in where and not where.startswith(_SCHEME):
        raise WrongInput(f"{where} is no place for a backup: give a folder, or s3://BUCKET.")
    if not where.startswith(_SCHEME):
        return FolderStore(Path(where))
    prefix = f"TRIPTYCH_{profile.upper()}_"
    try:
        settings = _S3Settings(_env_prefix=prefix)  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        missing = f"{prefix}{error.errors()[0]['loc'][0]}".upper()
        raise WrongInput(f"{missing} is not set: it is needed for {where}.") from error
    bucket = Bucket.connect(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        name=where.removeprefix(_SCHEME).strip("/"),
        secure=settings.s3_secure,
        region=settings.s3_region,
    )
    bucket.ensure()
    return bucket
