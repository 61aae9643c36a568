"""The parts of an artifact that search can find: pictures, frames, passages of text."""

from dataclasses import dataclass
from itertools import count

from flows.library.reading.contents import Contents, StoredPicture
from flows.running.platform import Space
from media.identify import read_text
from modalities.embedding.passages import split_passages
from storage.artifacts import Artifact
from storage.index.parts import PartKind
from storage.records import ArtifactRecord


@dataclass(frozen=True)
class Part:
    """A part of an artifact that search can find: a picture, a frame, a spoken segment, a passage of text.

    `picture` is what is embedded of a part that is seen; `place` is where the part is, such as `page=3`.
    """

    record: ArtifactRecord
    kind: PartKind
    ordinal: int
    text: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None
    place: str = ""
    picture: Artifact | None = None


_TOLD = ("title", "description", "keywords")
"""Properties whose words a picture is found by."""


def contents_parts(space: Space, record: ArtifactRecord, contents: Contents | None) -> list[Part]:
    """Return the parts of an artifact that are seen or read; plain texts and pictures have no contents of their own."""
    if contents is None:
        return _whole(space, record)
    seen = [contents.shown] if contents.shown and record.kind == "image" else []
    return [
        *(_seen(record, ordinal, picture) for ordinal, picture in enumerate([*seen, *contents.frames])),
        *_passages(record, contents),
    ]


def _whole(space: Space, record: ArtifactRecord) -> list[Part]:
    if record.kind == "image":
        return [Part(record, "image", 0, _told(record))]
    if record.kind != "text":
        return []
    text = read_text(space.store.get(record.artifact))
    return [Part(record, "text", ordinal, piece) for ordinal, piece in enumerate(split_passages(text))]


def _seen(record: ArtifactRecord, ordinal: int, picture: StoredPicture) -> Part:
    seconds = float(picture.place.removeprefix("t=")) if picture.place.startswith("t=") else None
    place = "" if seconds is not None else picture.place
    text = _told(record) if record.kind == "image" and not ordinal else ""
    return Part(
        record,
        "image",
        ordinal,
        text,
        start_seconds=seconds,
        end_seconds=seconds,
        place=place,
        picture=picture.artifact,
    )


def _told(record: ArtifactRecord) -> str:
    """The words that a sidecar gives a picture."""
    return "\n".join(str(record.properties[name]) for name in _TOLD if name in record.properties)


def _passages(record: ArtifactRecord, contents: Contents) -> list[Part]:
    numbers = count()
    return [
        Part(record, "text", next(numbers), piece, place=passages.place)
        for passages in contents.passages
        for piece in split_passages(passages.text)
    ]
