"""Footprints: the memory that models were measured to take, by the digest of their weights, shared by all machines."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.bucket import Bucket
from storage.errors import ObjectNotFound


class Footprint(BaseModel):
    """What a loaded model holds, and the most that it took up to the end of its first run. In bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resident: int = Field(ge=0, description="Main memory that it holds.")
    resident_peak: int = Field(ge=0)
    cuda: int = Field(default=0, ge=0, description="Memory of the GPU that it holds.")
    cuda_peak: int = Field(default=0, ge=0)


class Footprints:
    """The footprints in a bucket: the latest measurement of the same weights on the same kind of device counts."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def find(self, digest: str, kind: str) -> Footprint | None:
        """What was measured last; `kind` names device and number format, such as `cuda-bfloat16`."""
        try:
            return Footprint.model_validate_json(self._bucket.get(_key(digest, kind)))
        except (ObjectNotFound, ValidationError):
            return None  # never measured, or by a version that measured something else

    def remember(self, digest: str, kind: str, footprint: Footprint) -> None:
        """Keep a measurement in the place of the one before."""
        data = footprint.model_dump_json().encode()
        self._bucket.put(_key(digest, kind), data, media_type="application/json")


def _key(digest: str, kind: str) -> str:
    return f"footprints/{digest}/{kind}.json"
