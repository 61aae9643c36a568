"""Read what is in a file of a known media type."""

from pathlib import Path

from media.documents.document import Document
from media.documents.identify import READ_TYPES, read_document
from media.errors import UnsupportedMedia
from media.facts import Caps
from media.reading.contents import Blobs, Extract
from media.reading.films import read_film
from media.reading.renditions import read_picture
from media.reading.sidecar import read_sidecar

SIDECAR = "application/x-sidecar"
"""Stands for a file that tells about a picture, of whatever type: its passages are properties by their names."""


def read_contents(path: Path, media_type: str, caps: Caps) -> tuple[Extract, list[bytes]]:
    """Return the contents of a file and the bytes of the pictures in them. Raises UnsupportedMedia, UnreadableMedia."""
    blobs = Blobs()
    if media_type == SIDECAR:
        extract = read_sidecar(path)
    elif media_type.startswith("image/"):
        extract = read_picture(path, blobs, caps)
    elif media_type.startswith("video/"):
        extract = read_film(path, blobs)
    elif media_type in READ_TYPES:
        document = Document(caps, blobs)
        read_document(path, media_type, document)
        extract = document.extract()
    else:
        raise UnsupportedMedia(f"There is nothing to read in a file of the type {media_type}.")
    return extract, blobs.kept
