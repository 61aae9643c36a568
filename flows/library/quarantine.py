"""Quarantine of files that cannot be read: each is moved out of the inbox, beside a JSON document with the reason."""

import json
from datetime import datetime
from itertools import chain, count

from pydantic import BaseModel, ValidationError

from storage.bucket import Bucket
from storage.errors import Conflict, ObjectNotFound


class Rejection(BaseModel):
    """Why a file is in quarantine. `etag` identifies the version of the object that was rejected."""

    name: str
    reason: str
    project: str
    rejected: datetime
    etag: str = ""


def quarantine_file(bucket: Bucket, key: str, path: str, rejection: Rejection) -> bool:
    """Store the reason, then the object `key` beside it. Return False if the object was replaced meanwhile."""
    document = json.dumps(rejection.model_dump(mode="json"), indent=1).encode()
    target = _reserve_key(bucket, path, document, rejection.etag)
    try:
        bucket.copy(key, target, etag=rejection.etag)
    except (Conflict, ObjectNotFound):  # the reason stays; the next run processes the new object
        return False
    return True


def _reserve_key(bucket: Bucket, path: str, document: bytes, etag: str) -> str:
    """Return a free key for the object and store its reason there. Objects of the same name are numbered."""
    # Only reasons end with .json: a rejected .json file gets a number, or it could overwrite another file's reason.
    first = [] if path.endswith(".json") else [path]
    for key in chain(first, (f"{path}~{number}" for number in count(2))):
        if bucket.create(f"{key}.json", document, media_type="application/json"):
            return key
        if _etag_of(bucket, f"{key}.json") == etag:
            return key
    raise AssertionError("itertools.count does not end")


def _etag_of(bucket: Bucket, key: str) -> str | None:
    """Return the version that a reason is about; None if somebody else wrote the document."""
    try:
        return Rejection.model_validate_json(bucket.get(key)).etag
    except (ValidationError, ObjectNotFound):
        return None
