"""Quarantine for corrupt objects: move one aside, with a JSON file beside it that has the reason."""

import json
from datetime import UTC, datetime

from storage.bucket import Bucket


def quarantine_object(bucket: Bucket, key: str, *, project: str, reason: str, when: datetime) -> str:
    """Move an object to `quarantine/broken/<time>/<key>`; returns that key."""
    target = f"quarantine/broken/{when.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}/{key}"
    why = {"name": key, "reason": reason, "project": project, "rejected": when.isoformat()}
    bucket.copy(key, target)
    bucket.put(f"{target}.json", json.dumps(why, indent=1).encode(), media_type="application/json")
    bucket.remove(key)
    return target
