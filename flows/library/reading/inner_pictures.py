"""Record the pictures inside a document, and the film inside a motion photo, with that file as their parent."""

import tempfile
from pathlib import Path

from flows.library.reading.contents import StoredPicture, has_contents, read_contents
from flows.running.platform import Space
from media.errors import ItemError
from media.images.live_photos import LIVE_PHOTO
from storage.records import ArtifactRecord, Kind


def record_inner_pictures(space: Space, record: ArtifactRecord, path: Path) -> tuple[ArtifactRecord, ...]:
    """Read the contents of a file that was just stored, and record the pictures and the film inside it.

    A file that cannot be read has none; why is told when it is indexed.
    """
    if not has_contents(record.artifact, record):
        return ()
    try:
        contents = read_contents(space, record.artifact, path)
    except ItemError as error:
        if error.retryable:
            raise
        return ()
    name = Path(record.name).stem
    made = [
        _record(space, record, picture, picture.name or f"{name} {number}", "image")
        for number, picture in enumerate(contents.pictures, 1)
    ]
    made += [_record(space, record, contents.motion, f"{name}.mp4", "speech")] if contents.motion else []
    return tuple(each for each in made if each)


def _record(space: Space, parent: ArtifactRecord, found: StoredPicture, name: str, kind: Kind) -> ArtifactRecord | None:
    """Identify and record a picture, or the film of a motion photo; None if it is not one that is accepted."""
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(space.store.get(found.artifact))
        try:
            facts = space.platform.decoders.identify(path, name)
        except ItemError:
            return None
    if facts.kind != kind:
        return None
    shared = {LIVE_PHOTO: parent.properties[LIVE_PHOTO]} if kind == "speech" else {}
    artifact = found.artifact.model_copy(update={"media_type": facts.media_type})
    place = {"place": found.place} if found.place else {}
    record, _ = space.records.add(
        ArtifactRecord(
            artifact=artifact,
            project=space.project,
            name=facts.name,
            parents=(parent.artifact.sha256,),
            labels=parent.labels,
            properties=facts.properties | place | shared,
        )
    )
    return record
