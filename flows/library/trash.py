"""The trash: artifacts that people delete leave lists and searches at once, and are removed by retention 30 days later.

An artifact in the trash has the label TRASH, so bucket, library and index agree on it, and taking the label off undoes
the deletion. A reference keeps the time.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.library.labelling import update_labels
from flows.library.reading.live_photos import films_to_delete
from flows.running.errors import FlowError
from flows.running.platform import Space
from storage.errors import InvalidName
from storage.labels import HOLD, TRASH
from storage.records import ArtifactRecord

TRASH_TIME = timedelta(days=30)


class OnHold(FlowError):
    """The artifact has the label `hold`, and is not removed by anybody."""


def move_to_trash(space: Space, sha256: str, by: str) -> datetime:
    """Put an artifact into the trash; return the time after which retention removes it. Again keeps the first time.

    The film of a live photo goes with its picture, unless it is on hold. Raises ArtifactNotFound, OnHold.
    """
    record = space.records.get(sha256)
    labels = space.labels.of(record)
    if HOLD in labels:
        raise OnHold(f"{record.name} is on hold: take the label {HOLD!r} off first.")
    since = trashed_since(space, sha256) if TRASH in labels else None
    if since is None:
        since = datetime.now(UTC)
        value = {"since": since.isoformat(), "by": by}
        space.refs.update(_name(sha256), lambda _: value)  # before the label, so that it always has a time
    update_labels(space, sha256, add=[TRASH])
    for film in films_to_delete(space, record):
        with suppress(OnHold):
            move_to_trash(space, film, by)
    return since + TRASH_TIME


def take_out_of_trash(space: Space, sha256: str) -> bool:
    """Undo a deletion; return whether the artifact was in the trash. Raises ArtifactNotFound.

    The film of a live photo comes with its picture.
    """
    record = space.records.get(sha256)
    if TRASH not in space.labels.of(record):
        return False
    for film in films_to_delete(space, record):
        take_out_of_trash(space, film)
    # Before the label: a deletion at the same moment sets its own time. Workers and gateway have no right to delete it.
    space.refs.update(_name(sha256), lambda _: None)
    update_labels(space, sha256, remove=[TRASH])
    return True


def renew(space: Space, record: ArtifactRecord, labels: tuple[str, ...]) -> str | None:
    """Take an artifact that comes again out of the trash and add the labels; return why it cannot have them."""
    take_out_of_trash(space, record.artifact.sha256)
    try:
        if labels:
            update_labels(space, record.artifact.sha256, add=labels)
    except InvalidName as error:
        return f"It is stored, without the labels: {error}"
    return None


def trashed_since(space: Space, sha256: str) -> datetime | None:
    """Return when an artifact was put into the trash; None if it is not there."""
    value: Any = space.refs.get(_name(sha256))
    try:
        return datetime.fromisoformat(value["since"])
    except (TypeError, KeyError, ValueError):
        return None


def forget_trash_time(space: Space, sha256: str) -> None:
    """Delete the time of an artifact that was removed, so that it does not count if the artifact comes again."""
    space.refs.remove(_name(sha256))


def _name(sha256: str) -> str:
    return f"trash/{sha256}"
