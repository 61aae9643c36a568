"""Artifact records: the metadata of each artifact, as one create-only JSON object."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.artifacts import Artifact, Sha256
from storage.bucket import Bucket
from storage.errors import ArtifactNotFound, ObjectNotFound, RecordCorrupt
from storage.names import checked_project

_AT_ONCE = 4
Kind = Literal["image", "speech", "text", "data"]
KINDS_BY_TYPE: dict[str, Kind] = {"image": "image", "audio": "speech", "video": "speech", "text": "text"}
DOCUMENT_TYPES = frozenset(
    {
        "application/pdf",
        "application/epub+zip",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "message/rfc822",
    }
)
"""The media types of documents whose text is found, beside text/…."""


class ArtifactRecord(BaseModel):
    """The name and origin of an artifact. `producer` is the key of the recipe that made it, if one did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: Artifact
    project: str
    name: str
    parents: tuple[Sha256, ...] = ()
    producer: str | None = None
    labels: tuple[str, ...] = ()
    properties: dict[str, Any] = Field(default_factory=dict)
    state: Literal["stored"] = "stored"
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def kind(self) -> Kind:
        """The kind of its media type."""
        return kind_of(self.artifact.media_type)

    @property
    def live_photo(self) -> str:
        """The identifier that the picture and the film of a live photo share; empty for all else."""
        return str(self.properties.get("live_photo", ""))

    @property
    def made(self) -> datetime | None:
        """When the camera or program says that it was made; a time without a zone is one of the local zone."""
        try:
            return datetime.fromisoformat(str(self.properties.get("taken", ""))).astimezone()
        except (ValueError, OverflowError):
            return None


class Records:
    """The artifact records of one project. `on_add` is called with the stored record at each `add`."""

    def __init__(self, bucket: Bucket, project: str, on_add: Callable[[ArtifactRecord], None] = lambda _: None) -> None:
        self._bucket = bucket
        self._on_add = on_add
        self.project = checked_project(project)

    def add(self, record: ArtifactRecord) -> tuple[ArtifactRecord, bool]:
        """Store a record unless the artifact has one. Returns the stored record, and whether it is this one."""
        created = self._bucket.create(
            self._key(record.artifact.sha256),
            record.model_dump_json().encode(),
            media_type="application/json",
        )
        stored = record if created else self.get(record.artifact.sha256)
        self._on_add(stored)
        return stored, created

    def get(self, sha256: str) -> ArtifactRecord:
        """The record of an artifact. Raises ArtifactNotFound, RecordCorrupt."""
        try:
            return self._read(self._key(sha256))
        except ObjectNotFound as error:
            raise ArtifactNotFound(f"Project {self.project} has no artifact {sha256}.") from error

    def find(self, sha256: str) -> ArtifactRecord | None:
        """The record of an artifact, or None. Raises RecordCorrupt."""
        try:
            return self.get(sha256)
        except ArtifactNotFound:
            return None

    def find_readable(self, ids: Iterable[str]) -> list[ArtifactRecord]:
        """The records of those artifacts that have one which can be read, in the order of the ids."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return [found for found in threads.map(self._find_or_error, ids) if isinstance(found, ArtifactRecord)]

    def exists(self, sha256: str) -> bool:
        """Whether the artifact has a record."""
        return self._bucket.stat(self._key(sha256)) is not None

    def resolve(self, prefix: str) -> ArtifactRecord:
        """The only record whose id begins with `prefix` (8 characters or more). Raises ArtifactNotFound."""
        is_prefix = len(prefix) >= 8 and set(prefix) <= set("0123456789abcdef")
        found = list(self._bucket.objects(self._key(prefix, suffix=""))) if is_prefix else []
        if len(found) != 1:
            reason = "has no artifact" if not found else f"has {len(found)} artifacts that begin with"
            raise ArtifactNotFound(f"Project {self.project} {reason} {prefix}.")
        return self._read(found[0].key)

    def all(self) -> Iterator[ArtifactRecord]:
        """Every record of the project, in the order of ids. Raises RecordCorrupt."""
        keys = [found.key for found in self._bucket.objects(f"{self.project}/artifacts/")]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(self._read, keys)

    def read_all(self) -> tuple[list[ArtifactRecord], dict[str, str]]:
        """Every record that can be read, in the order of ids, and why the others cannot be, by artifact id."""
        prefix = f"{self.project}/artifacts/"
        ids = [found.key.removeprefix(prefix).removesuffix(".json") for found in self._bucket.objects(prefix)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = dict(zip(ids, threads.map(self._find_or_error, ids), strict=True))
        records = [record for record in found.values() if isinstance(record, ArtifactRecord)]
        return records, {sha256: str(error) for sha256, error in found.items() if isinstance(error, RecordCorrupt)}

    def _find_or_error(self, sha256: str) -> ArtifactRecord | RecordCorrupt | None:
        try:
            return self.find(sha256)
        except RecordCorrupt as error:
            return error

    def _read(self, key: str) -> ArtifactRecord:
        try:
            return ArtifactRecord.model_validate_json(self._bucket.get(key))
        except ValidationError as error:
            raise RecordCorrupt(f"{key} cannot be read: run `triptych verify --repair`.") from error

    def _key(self, sha256: str, suffix: str = ".json") -> str:
        return f"{self.project}/artifacts/{sha256}{suffix}"


def kind_of(media_type: str) -> Kind:
    """The kind of a media type: image, speech (audio and video) or text (documents, too); everything else is data."""
    if media_type in DOCUMENT_TYPES:
        return "text"
    return KINDS_BY_TYPE.get(media_type.split("/", 1)[0], "data")


def list_projects(bucket: Bucket) -> list[str]:
    """The projects that have at least one record."""
    return [name for name in bucket.folders() if any(True for _ in bucket.objects(f"{name}/artifacts/"))]
