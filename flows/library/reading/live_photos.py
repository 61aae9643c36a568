"""The two files of a live photo, joined by the identifier that they share: its picture and its film."""

from pydantic import BaseModel, ConfigDict

from flows.running.platform import Space
from storage.index.library import Listed
from storage.labels import TRASH
from storage.records import ArtifactRecord


class LivePhoto(BaseModel):
    """The artifact ids of the picture and the film of a live photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str
    film: str


def live_photo_of(space: Space, record: ArtifactRecord | None) -> LivePhoto | None:
    """Return the live photo that an artifact belongs to; None if the other file is missing or in the trash."""
    if record is None or not record.live_photo:
        return None
    itself = record.artifact.sha256
    files = [each for each in _files(space, record) if each.artifact == itself or TRASH not in each.labels]
    pictures, films = ([each.artifact for each in files if each.kind == kind] for kind in ("image", "speech"))
    if not pictures or not films:
        return None
    return LivePhoto(
        picture=itself if record.kind == "image" else pictures[0],
        film=itself if record.kind == "speech" else films[0],
    )


def films_to_delete(space: Space, record: ArtifactRecord) -> list[str]:
    """Return the films that go into the trash with their picture: no other picture outside of the trash has them."""
    if record.kind != "image" or not record.live_photo:
        return []
    files = [each for each in _files(space, record) if each.artifact != record.artifact.sha256]
    if any(each.kind == "image" and TRASH not in each.labels for each in files):
        return []
    return [each.artifact for each in files if each.kind == "speech"]


def _files(space: Space, record: ArtifactRecord) -> list[Listed]:
    return space.library.of_live_photo(space.project, record.live_photo)
