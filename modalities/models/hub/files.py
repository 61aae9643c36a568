"""The files of a repository at one commit, as the hub lists them, and whether bytes are those of a file."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modalities.contract import Source
from modalities.errors import ModelUnavailable
from modalities.models.weight_files import EXCLUDED_SUFFIXES

_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_HEX = r"^[0-9a-f]{40,64}$"


class HubFile(BaseModel):
    """A file at a commit. The hub publishes the sha256 of large files, and the git blob id (sha1) of all."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int = Field(ge=0)
    blob_id: str = Field(pattern=_HEX)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path:
            raise ValueError(f"the path {path!r} would leave its folder")
        return path

    @property
    def digest(self) -> str:
        """What the bytes are verified against: the sha256 if it is known, else the git blob id."""
        return self.sha256 or self.blob_id

    def digest_of(self, path: Path) -> str:
        """Compute from bytes on disk what `digest` should be."""
        computed = hashlib.sha256() if self.sha256 else hashlib.sha1(usedforsecurity=False)
        if not self.sha256:
            computed.update(b"blob %d\0" % path.stat().st_size)
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: computed).hexdigest()


def select(name: str, source: Source, listing: Sequence[HubFile]) -> list[HubFile]:
    """Return the files that an entry uses: those of its `sha256`, else those that match its patterns.

    Pickles and code are left out unless a pattern names the file. Raises ModelUnavailable if there are none, if a
    pinned file is missing, or if the hub has another sha256 for it.
    """
    if source.sha256:
        return [_pinned(name, path, sha256, listing) for path, sha256 in source.sha256.items()]
    from huggingface_hub.utils import filter_repo_objects

    wanted = set(filter_repo_objects([file.path for file in listing], allow_patterns=list(source.files) or None))
    found = [file for file in listing if file.path in wanted and _is_allowed(file.path, source.files)]
    if not found:
        raise ModelUnavailable(
            f"The repository {source.hub} has none of the files of {name}: check `files` in its entry of models.yaml."
        )
    return found


def total_size(files: Iterable[HubFile]) -> int:
    """Return the total size in bytes."""
    return sum(file.size for file in files)


def encode_listing(listing: Sequence[HubFile]) -> str:
    """Write a listing as JSON."""
    return json.dumps([file.model_dump() for file in listing])


def decode_listing(text: str) -> list[HubFile]:
    """Read a listing. Raises ValueError."""
    return [HubFile.model_validate(each) for each in json.loads(text)]


def _pinned(name: str, path: str, sha256: str, listing: Sequence[HubFile]) -> HubFile:
    for file in listing:
        if file.path == path:
            if file.sha256 not in (None, sha256):
                raise ModelUnavailable(
                    f"The file {path} of {name} is not the one of its entry in models.yaml: expected sha256 {sha256}, "
                    f"the hub has {file.sha256}."
                )
            return file.model_copy(update={"sha256": sha256})
    raise ModelUnavailable(f"The file {path} of {name} is not in the repository: pin the model again.")


def _is_allowed(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    if name.endswith(EXCLUDED_SUFFIXES):
        return False
    return not name.endswith(_PICKLES) or path in patterns or name in patterns
