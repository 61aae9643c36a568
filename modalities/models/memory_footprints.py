"""Store the measured memory footprints of models in the bucket, by weights digest, so that machines share them."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.bucket import Bucket
from storage.errors import ObjectNotFound


class MemoryFootprint(BaseModel):
    """The memory that a loaded model occupies, idle and at its peak up to the end of its first run. In bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resident: int = Field(ge=0, description="Main memory while idle.")
    resident_peak: int = Field(ge=0)
    cuda: int = Field(default=0, ge=0, description="GPU memory while idle.")
    cuda_peak: int = Field(default=0, ge=0)


class FootprintStore:
    """The footprints in a bucket, one per weights digest and kind of device; a new measurement replaces the old one."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def get(self, digest: str, kind: str) -> MemoryFootprint | None:
        """Return the latest measurement, or None. `kind` is device and dtype, such as `cuda-bfloat16`."""
        try:
            return MemoryFootprint.model_validate_json(self._bucket.get(_key(digest, kind)))
        except (ObjectNotFound, ValidationError):
            return None  # never measured, or measured by a version with other fields

    def put(self, digest: str, kind: str, footprint: MemoryFootprint) -> None:
        """Store a measurement."""
        data = footprint.model_dump_json().encode()
        self._bucket.put(_key(digest, kind), data, media_type="application/json")


def _key(digest: str, kind: str) -> str:
    return f"footprints/{digest}/{kind}.json"
