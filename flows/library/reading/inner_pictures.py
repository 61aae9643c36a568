"""Record the pictures inside a document as pictures of their own, with the document as their parent."""

import tempfile
from pathlib import Path

from flows.library.reading.contents import StoredPicture, has_contents, read_contents
from flows.running.platform import Space
from media.errors import ItemError
from storage.records import ArtifactRecord


def record_inner_pictures(space: Space, record: ArtifactRecord, path: Path) -> tuple[ArtifactRecord, ...]:
    """Read the contents of a file that was just stored, and record the pictures inside it.

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
    made = [_record(space, record, number, picture) for number, picture in enumerate(contents.pictures, 1)]
    return tuple(each for each in made if each)


def _record(space: Space, document: ArtifactRecord, number: int, picture: StoredPicture) -> ArtifactRecord | None:
    """Identify and record one picture; None if it is not one that is accepted."""
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(space.store.get(picture.artifact))
        name = picture.name or f"{Path(document.name).stem} {number}"
        try:
            facts = space.platform.decoders.identify(path, name)
        except ItemError:
            return None
    if facts.kind != "image":
        return None
    artifact = picture.artifact.model_copy(update={"media_type": facts.media_type})
    place = {"place": picture.place} if picture.place else {}
    record, _ = space.records.add(
        ArtifactRecord(
            artifact=artifact,
            project=space.project,
            name=facts.name,
            parents=(document.artifact.sha256,),
            labels=document.labels,
            properties=facts.properties | place,
        )
    )
    return record
