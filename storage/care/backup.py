"""Backup: what a bucket holds, in another place, and back from there.

Only what the other place does not have yet travels. Every blob is hashed on its way. Blobs go first and records last,
and what goes is listed in the other order: so a backup that was cut off, or made while people work, holds no record
whose bytes it lacks.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from pydantic import BaseModel, ValidationError

from storage.artifacts import Artifact, VerifiedReader
from storage.bucket import Bucket, StoredObject
from storage.care.bucket_format import FORMAT_KEY, check_format
from storage.care.mentions import artifacts_in
from storage.care.object_store import ObjectStore
from storage.care.tombstones import FOLDER as REMOVED
from storage.care.tombstones import Tombstone
from storage.errors import ArtifactCorrupt, ObjectNotFound, StorageError, StorageUnavailable
from storage.names import blob_key
from storage.records import ArtifactRecord

Progress = Callable[[float], None]
_IN_FLIGHT = ("inbox/", "tmp/")
_DOCUMENTS = ("recipes", "refs", "artifacts")
"""In the order in which they travel."""
_AT_ONCE = 4


class BackupReport(BaseModel):
    """Objects that travelled, their bytes, those that were there already, and a sentence for each that could not."""

    copied: int
    copied_bytes: int
    unchanged: int
    removed: int
    """Records that were not brought back, because they had been removed on purpose."""
    problems: list[str]

    def __str__(self) -> str:
        left_out = f", {self.removed} had been removed on purpose" if self.removed else ""
        failed = f", {len(self.problems)} could not be copied" if self.problems else ""
        return (
            f"{self.copied} objects ({self.copied_bytes / 1e6:.1f} MB) were copied, "
            f"{self.unchanged} were there already{left_out}{failed}."
        )


class _Copy:
    """One journey from a place to another."""

    def __init__(self, source: ObjectStore, target: ObjectStore, *, overwrite: bool, progress: Progress) -> None:
        self._source, self._target, self._overwrite = source, target, overwrite
        self._progress = progress
        self._lock = Lock()
        self._there = {found.key: found.size for found in target.objects("") if not found.key.startswith(_IN_FLIGHT)}
        self._media_types: dict[str, str] = {}
        self._total, self._done = 1, 0
        self.report = BackupReport(copied=0, copied_bytes=0, unchanged=0, removed=0, problems=[])

    def run(self) -> BackupReport:
        listed = [found for found in self._source.objects("") if not found.key.startswith(_IN_FLIGHT)]
        documents = {kind: [found for found in listed if _document(found.key) == kind] for kind in _DOCUMENTS}
        # Listed again: what the documents above name was there before they were.
        others = [
            found
            for found in self._source.objects("")
            if not found.key.startswith(_IN_FLIGHT) and _document(found.key) is None and found.key != FORMAT_KEY
        ]
        self._total = sum(found.size for found in [*others, *listed]) or 1
        self._learn_media_types([*documents["recipes"], *documents["artifacts"]])
        gone = self._removed_on_purpose(documents["refs"])
        kept = [found for found in documents["artifacts"] if not self._is_gone(found, gone)]
        for wave in (others, documents["recipes"], documents["refs"], kept):
            self._all(wave)
        return self.report

    def _all(self, wave: Iterable[StoredObject]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(self._one, wave):
                pass

    def _one(self, found: StoredObject) -> None:
        problem, copied = None, False
        try:
            if self._wanted(found):
                self._copy(found)
                copied = True
        except StorageUnavailable:
            raise
        except ObjectNotFound:
            pass  # it was removed while we worked
        except StorageError as error:
            problem = str(error)
        with self._lock:
            report = self.report
            report.copied += copied
            report.copied_bytes += found.size if copied else 0
            report.unchanged += not copied and problem is None
            report.problems += [problem] if problem else []
            self._done += found.size
            self._progress(min(self._done / self._total, 1.0))

    def _wanted(self, found: StoredObject) -> bool:
        size = self._there.get(found.key)
        if size is None:
            return True
        if not self._overwrite and _blob(found.key) is None:
            return False  # what stands in the bucket is newer
        if _document(found.key) == "refs":
            return self._source.get(found.key) != self._target.get(found.key)
        return size != found.size

    def _copy(self, found: StoredObject) -> None:
        sha256 = _blob(found.key)
        media_type = self._media_types.get(sha256 or "", "application/octet-stream")
        if found.key.endswith(".json"):
            media_type = "application/json"
        with self._source.open(found.key) as stream:
            if sha256 is None:
                self._target.put(found.key, stream, media_type=media_type)
                return
            artifact = Artifact(sha256=sha256, media_type=media_type, size=found.size)
            self._target.put(found.key, VerifiedReader(stream, artifact), media_type=media_type)

    def _learn_media_types(self, documents: list[StoredObject]) -> None:
        """Only the documents know of which type a blob is, wherever it lies."""

        def read(found: StoredObject) -> list[Artifact]:
            try:
                return list(artifacts_in(json.loads(self._source.get(found.key))))
            except (ValueError, ObjectNotFound):
                return []  # `verify` tells of it

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for artifacts in threads.map(read, documents):
                self._media_types |= {artifact.sha256: artifact.media_type for artifact in artifacts}

    def _removed_on_purpose(self, refs: list[StoredObject]) -> dict[str, Tombstone]:
        """The tombstones of both places by the key of the record: nothing removed on purpose comes back."""
        if self._overwrite:
            return {}
        tombs = [(self._source, found.key) for found in refs if f"/refs/{REMOVED}/" in found.key]
        tombs += [(self._target, key) for key in self._there if f"/refs/{REMOVED}/" in key]
        found: dict[str, Tombstone] = {}
        for place, key in tombs:
            tombstone = Tombstone.model_validate(json.loads(place.get(key))["value"])
            found[key.replace(f"/refs/{REMOVED}/", "/artifacts/")] = tombstone
        return found

    def _is_gone(self, found: StoredObject, gone: dict[str, Tombstone]) -> bool:
        if found.key not in gone or found.key in self._there:
            return False
        try:
            record = ArtifactRecord.model_validate_json(self._source.get(found.key))
        except ValidationError:
            return False
        is_gone = record.created < gone[found.key].removed
        self.report.removed += is_gone
        return is_gone


def back_up(source: Bucket, target: ObjectStore, progress: Progress = lambda _: None) -> BackupReport:
    """Copy what the target lacks; files in the inbox and uploads in flight stay behind. Raises WrongFormat."""
    check_format(source)
    check_format(target)
    # First: a backup that is cut off can be restored, and says of which format it is.
    target.put(FORMAT_KEY, source.get(FORMAT_KEY), media_type="application/json")
    return _Copy(source, target, overwrite=True, progress=progress).run()


def restore_backup(source: ObjectStore, target: Bucket, progress: Progress = lambda _: None) -> BackupReport:
    """Copy what the bucket lacks. Whatever stands in it stays. Raises WrongFormat."""
    check_format(source)
    check_format(target)
    target.create(FORMAT_KEY, source.get(FORMAT_KEY), media_type="application/json")
    return _Copy(source, target, overwrite=False, progress=progress).run()


def restore_blob(source: ObjectStore, target: Bucket, project: str, artifact: Artifact) -> bool:
    """Bring one blob of a project back, if the source has it whole."""
    key = blob_key(project, artifact.sha256)
    try:
        with source.open(key) as stream:
            target.put(key, VerifiedReader(stream, artifact), media_type=artifact.media_type)
    except (ObjectNotFound, ArtifactCorrupt):
        return False
    return True


def restore_document(source: ObjectStore, target: Bucket, key: str) -> bool:
    """Bring a JSON document back that is missing, if the source has it and it can be read."""
    try:
        data = source.get(key)
        json.loads(data)
    except (ObjectNotFound, ValueError):
        return False
    return target.create(key, data, media_type="application/json")


def projects_in(place: ObjectStore) -> Iterator[str]:
    """The projects that have records in a place."""
    yield from sorted({key.split("/")[0] for found in place.objects("") if _document(key := found.key) == "artifacts"})


def _document(key: str) -> str | None:
    """The folder of a project that the key lies in, if it is one for documents."""
    parts = key.split("/")
    return parts[1] if len(parts) > 2 and parts[1] in _DOCUMENTS else None


def _blob(key: str) -> str | None:
    parts = key.split("/")
    return parts[-1] if len(parts) == 6 and parts[1:3] == ["blobs", "sha256"] else None
