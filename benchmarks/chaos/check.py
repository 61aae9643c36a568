"""The checks after a chaos run; each breach is one sentence."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.chaos.files import File
from flows.index.expected_entries import expected_parts
from flows.library.indexing import is_findable
from flows.running.platform import Platform, Space
from storage.errors import StorageError


def breaches(platform: Platform, files: Sequence[File], kills: int, calls: Path) -> Iterator[str]:
    """Every broken promise, as a sentence."""
    space = platform.space("default")
    left = [found.key for found in platform.bucket.objects("inbox/")]
    if left:
        yield f"{len(left)} files are left in the inbox, the first is {left[0]}"
    yield from stored(space, [file for file in files if file.is_good])
    yield from refused(space, [file for file in files if not file.is_good])
    yield from indexed(space)
    begun, redone = count_model_calls(calls)
    if redone > kills:
        yield f"{redone} of {begun} model calls did again what another had done: more than one a kill"


def count_model_calls(calls: Path) -> tuple[int, int]:
    """The number of model calls, and of those that repeated a request of an earlier call."""
    seen: set[str] = set()
    begun = redone = 0
    for line in calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []:
        asked = set(json.loads(line))
        begun += 1
        redone += bool(asked & seen)
        seen |= asked
    return begun, redone


def stored(space: Space, files: Sequence[File]) -> Iterator[str]:
    """Check that every good file has its record and its bytes, and that nothing else was stored."""
    wanted = {hashlib.sha256(file.data).hexdigest(): file for file in files}
    originals = {record.artifact.sha256: record for record in space.records.all() if not record.parents}
    yield from (f"{file.name} has no record" for sha256, file in wanted.items() if sha256 not in originals)
    yield from (
        f"{record.name} was stored, and nobody sent it" for sha256, record in originals.items() if sha256 not in wanted
    )
    for sha256, record in originals.items():
        try:
            if sha256 in wanted and space.store.get(record.artifact) != wanted[sha256].data:
                yield f"{record.name} has other bytes than were sent"
        except StorageError as error:
            yield f"{record.name}: {error}"


def refused(space: Space, files: Sequence[File]) -> Iterator[str]:
    """Check that every bad file, and nothing else, lies in quarantine with its reason."""
    bucket = space.platform.bucket
    there = {found.key for found in bucket.objects(f"quarantine/{space.project}/")}
    for file in files:
        place = f"quarantine/{space.project}/{file.name}"
        if not {place, f"{place}.json"} <= there:
            yield f"{file.name} was refused, and is not in quarantine with its reason"
        elif bucket.get(place) != file.data:
            yield f"{file.name} lies in quarantine with other bytes"
        there -= {place, f"{place}.json"}
    if there:
        why = bucket.get(next((key for key in sorted(there) if key.endswith(".json")), min(there)))
        yield f"{len(there)} things too many lie in quarantine, the first is {min(there)}: {why[:500]!r}"


def indexed(space: Space) -> Iterator[str]:
    """Check that the index has exactly one row with a vector for each part of each record."""
    found = space.index.parts(space.project)
    expected = {
        record.artifact.sha256: len(expected_parts(space, record) or ())
        for record in space.records.all()
        if is_findable(record)
    }
    for artifact in sorted({*expected, *found}):
        parts = len(found.get(artifact, ()))
        if expected.get(artifact, 0) != parts:
            yield f"the index has {parts} parts of {artifact[:12]}, and its record says {expected.get(artifact, 0)}"
        bare = sum(not entry.vectors for entry in found.get(artifact, ()))
        if bare:
            yield f"{bare} parts of {artifact[:12]} have no vector"
