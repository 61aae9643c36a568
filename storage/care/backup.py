"""Incremental, verified backup of a bucket to another object store, and restore from it.

Only missing or changed objects are copied, and every blob is hashed on the way. Blobs are copied first and records
last, while documents are listed before blobs: so a backup that was interrupted, or made during writes, holds no record
whose blob it lacks.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock

from pydantic import BaseModel, ValidationError

from storage.artifacts import Artifact, VerifiedReader
from storage.bucket import Bucket
from storage.care.bucket_format import FORMAT_KEY, check_format
from storage.care.mentions import artifacts_in
from storage.care.object_store import ObjectStore
from storage.care.tombstones import FOLDER as REMOVED
from storage.care.tombstones import Tombstone
from storage.errors import ArtifactCorrupt, ObjectNotFound, StorageError, StorageUnavailable
from storage.names import INTERACTIONS, blob_key
from storage.objects import StoredObject
from storage.records import ArtifactRecord

Progress = Callable[[float], None]
_LEFT_OUT = ("inbox/", "tmp/", INTERACTIONS)
_DOCUMENTS = ("recipes", "refs", "artifacts")
"""The kinds of documents, in the order in which they are copied."""
_AT_ONCE = 4


class BackupReport(BaseModel):
    """Counts of objects copied and left unchanged, and a sentence for each that could not be copied."""

    copied: int
    copied_bytes: int
    unchanged: int
    removed: int
    """Records that were not restored because they had been removed on purpose."""
    problems: list[str]

    def __str__(self) -> str:
        left_out = f", {self.removed} had been removed on purpose" if self.removed else ""
        failed = f", {len(self.problems)} could not be copied" if self.problems else ""
        return (
            f"{self.copied} objects ({self.copied_bytes / 1e6:.1f} MB) were copied, "
            f"{self.unchanged} were there already{left_out}{failed}."
        )


class _CopyRun:
    """One run that copies from one object store to another."""

    def __init__(self, source: ObjectStore, target: ObjectStore, *, overwrite: bool, progress: Progress) -> None:
        self._source, self._target, self._overwrite = source, target, overwrite
        self._progress = progress
        self._lock = Lock()
        self._there = {found.key: found.size for found in target.objects("") if not found.key.startswith(_LEFT_OUT)}
        self._media_types: dict[str, str] = {}
        self._total, self._done = 1, 0
        self.report = BackupReport(copied=0, copied_bytes=0, unchanged=0, removed=0, problems=[])

    def run(self) -> BackupReport:
        listed = [found for found in self._source.objects("") if not found.key.startswith(_LEFT_OUT)]
        documents = {kind: [found for found in listed if _document_kind(found.key) == kind] for kind in _DOCUMENTS}
        # Listed after the documents, so that it includes every blob that they name.
        others = [
            found
            for found in self._source.objects("")
            if not found.key.startswith(_LEFT_OUT) and _document_kind(found.key) is None and found.key != FORMAT_KEY
        ]
        self._total = sum(found.size for found in [*others, *listed]) or 1
        self._read_media_types([*documents["recipes"], *documents["artifacts"]])
        gone = self._tombstones(documents["refs"])
        kept = [found for found in documents["artifacts"] if not self._was_removed(found, gone)]
        for wave in (others, documents["recipes"], documents["refs"], kept):
            self._copy_all(wave)
        return self.report

    def _copy_all(self, wave: Iterable[StoredObject]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(self._copy_one, wave):
                pass

    def _copy_one(self, found: StoredObject) -> None:
        problem, copied = None, False
        try:
            if self._needs_copy(found):
                self._copy(found)
                copied = True
        except StorageUnavailable:
            raise
        except ObjectNotFound:
            pass  # it was removed in the meantime
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

    def _needs_copy(self, found: StoredObject) -> bool:
        size = self._there.get(found.key)
        if size is None:
            return True
        if not self._overwrite and _blob_sha256(found.key) is None:
            return False  # the bucket's own object is newer
        if _document_kind(found.key) == "refs":
            return self._source.get(found.key) != self._target.get(found.key)
        return size != found.size

    def _copy(self, found: StoredObject) -> None:
        sha256 = _blob_sha256(found.key)
        media_type = self._media_types.get(sha256 or "", "application/octet-stream")
        if found.key.endswith(".json"):
            media_type = "application/json"
        with self._source.open(found.key) as stream:
            if sha256 is None:
                self._target.put(found.key, stream, media_type=media_type)
                return
            artifact = Artifact(sha256=sha256, media_type=media_type, size=found.size)
            self._target.put(found.key, VerifiedReader(stream, artifact), media_type=media_type)

    def _read_media_types(self, documents: list[StoredObject]) -> None:
        """Read the media types of blobs from the documents: a folder does not keep them."""

        def read(found: StoredObject) -> list[Artifact]:
            try:
                return list(artifacts_in(json.loads(self._source.get(found.key))))
            except (ValueError, ObjectNotFound):
                return []  # `verify` reports it

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for artifacts in threads.map(read, documents):
                self._media_types |= {artifact.sha256: artifact.media_type for artifact in artifacts}

    def _tombstones(self, refs: list[StoredObject]) -> dict[str, datetime]:
        """The times of the tombstones of both stores by the key of the removed record; these records are not restored.

        A tombstone that cannot be read is a problem, and counts as one of now: its artifact is not restored either.
        """
        if self._overwrite:
            return {}
        tombs = [(self._source, found.key) for found in refs if f"/refs/{REMOVED}/" in found.key]
        tombs += [(self._target, key) for key in self._there if f"/refs/{REMOVED}/" in key]
        found: dict[str, datetime] = {}
        for store, key in tombs:
            record = key.replace(f"/refs/{REMOVED}/", "/artifacts/")
            try:
                found[record] = Tombstone.model_validate(json.loads(store.get(key))["value"]).removed
            except (ValueError, TypeError, KeyError):
                found[record] = datetime.now(UTC)
                self.report.problems.append(f"{key} cannot be read: the artifact that it names is not restored.")
            except ObjectNotFound:
                pass  # it was removed in the meantime
        return found

    def _was_removed(self, found: StoredObject, gone: dict[str, datetime]) -> bool:
        if found.key not in gone or found.key in self._there:
            return False
        try:
            record = ArtifactRecord.model_validate_json(self._source.get(found.key))
        except ValidationError:
            return False
        is_gone = record.created < gone[found.key]
        self.report.removed += is_gone
        return is_gone


def back_up(source: Bucket, target: ObjectStore, progress: Progress = lambda _: None) -> BackupReport:
    """Copy what the target lacks, except inbox files, uploads in progress and what is kept about persons.

    Raises WrongFormat.
    """
    check_format(source)
    check_format(target)
    # First, so that an interrupted backup can be restored too.
    target.put(FORMAT_KEY, source.get(FORMAT_KEY), media_type="application/json")
    return _CopyRun(source, target, overwrite=True, progress=progress).run()


def restore_backup(source: ObjectStore, target: Bucket, progress: Progress = lambda _: None) -> BackupReport:
    """Copy what the bucket lacks, and overwrite nothing. Raises WrongFormat."""
    check_format(source)
    check_format(target)
    target.create(FORMAT_KEY, source.get(FORMAT_KEY), media_type="application/json")
    return _CopyRun(source, target, overwrite=False, progress=progress).run()


def restore_blob(source: ObjectStore, target: Bucket, project: str, artifact: Artifact) -> bool:
    """Restore one blob of a project; False when the source lacks it or has other bytes."""
    key = blob_key(project, artifact.sha256)
    try:
        with source.open(key) as stream:
            target.put(key, VerifiedReader(stream, artifact), media_type=artifact.media_type)
    except (ObjectNotFound, ArtifactCorrupt):
        return False
    return True


def restore_document(source: ObjectStore, target: Bucket, key: str) -> bool:
    """Restore a missing JSON document; False when the source lacks it or it is not JSON."""
    try:
        data = source.get(key)
        json.loads(data)
    except (ObjectNotFound, ValueError):
        return False
    return target.create(key, data, media_type="application/json")


def projects_in(store: ObjectStore) -> Iterator[str]:
    """The projects that have records in an object store."""
    keys = (found.key for found in store.objects(""))
    yield from sorted({key.split("/")[0] for key in keys if _document_kind(key) == "artifacts"})


def _document_kind(key: str) -> str | None:
    """The kind of document that is stored under a key, None for other objects."""
    parts = key.split("/")
    return parts[1] if len(parts) > 2 and parts[1] in _DOCUMENTS else None


def _blob_sha256(key: str) -> str | None:
    """The sha256 of the blob that is stored under a key, None for other objects."""
    parts = key.split("/")
    return parts[-1] if len(parts) == 6 and parts[1:3] == ["blobs", "sha256"] else None
