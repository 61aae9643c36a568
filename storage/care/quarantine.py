"""Quarantine for what is broken: it leaves its place without being lost, and the reason lies beside it."""

import json
from datetime import UTC, datetime

from storage.bucket import Bucket


def quarantine_object(bucket: Bucket, key: str, *, project: str, reason: str, when: datetime) -> str:
    """Move an object to `quarantine/broken/<time>/<key>`; the key where it is now."""
    place = f"quarantine/broken/{when.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}/{key}"
    why = {"name": key, "reason": reason, "project": project, "rejected": when.isoformat()}
    bucket.copy(key, place)
    bucket.put(f"{place}.json", json.dumps(why, indent=1).encode(), media_type="application/json")
    bucket.remove(key)
    return place
