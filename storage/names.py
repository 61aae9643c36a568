"""The names of projects and the keys of blobs."""

import re

from storage.errors import InvalidName

INTERACTIONS = "gateway/interactions/"
"""What people opened, chose and downloaded: in no backup, so that a person can be forgotten; it keeps no blob."""
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_RESERVED = frozenset({"inbox", "quarantine", "tmp", "models", "footprints", "gateway"})


def blob_key(project: str, sha256: str) -> str:
    """The key of the bytes of an artifact."""
    return f"{project}/blobs/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def checked_project(name: str) -> str:
    """The name, if it is a valid project name and not reserved. Raises InvalidName."""
    if not is_project(name):
        raise InvalidName(
            f"{name!r} cannot name a project: use a-z, 0-9 and -, at most 63 characters, "
            f"and none of {', '.join(sorted(_RESERVED))}."
        )
    return name


def is_project(name: str) -> bool:
    """Whether this can name a project."""
    return bool(_PROJECT.fullmatch(name)) and name not in _RESERVED
