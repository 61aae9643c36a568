"""Embed pictures and texts in batches with a model that has an image tower and a text tower in one vector space."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from media.errors import ItemError, UnreadableMedia
from media.facts import CAPS
from media.images.errors import picture_errors
from media.pictures import upright_rgb
from modalities.contract import Progress
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Vectors, store_vectors
from storage.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

_PARALLEL_READS = 4
_MAX_ASPECT_RATIO = 32


@runtime_checkable
class TwoTowers(Protocol):
    """A model that embeds pictures and texts into one vector space."""

    batch_size: int
    picture_side: int
    """The side of the model's square input, in pixels."""

    def prepare(self, picture: "Image") -> Any:
        """Preprocess an upright RGB picture into the model's input."""
        ...

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        """Return one row per prepared picture."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text."""
        ...


@runtime_checkable
class RecognizesConcepts(Protocol):
    """A model with two towers whose image tower also tells what a picture shows."""

    def encode_and_recognize(self, prepared: Sequence[Any]) -> tuple[Vectors, list[dict[str, float]]]:
        """Return one row per prepared picture, and the probabilities of its concepts by their names."""
        ...


def embed(
    towers: TwoTowers, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore, progress: Progress
) -> list[Embedding | ItemError]:
    """Return one embedding per request, in order; UnreadableMedia replaces that of a picture that cannot be decoded."""
    answers: list[Embedding | ItemError] = []
    for start in range(0, len(requests), towers.batch_size):
        answers += _embed_batch(towers, requests[start : start + towers.batch_size], store)
        progress(len(answers) / len(requests))
    return answers


def unit_rows(rows: Any) -> Vectors:
    """Scale each row of a tensor (n, dimension) to length 1, in float32."""
    import torch

    return torch.nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()


def _embed_batch(
    towers: TwoTowers, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore
) -> list[Embedding | ItemError]:
    images = [request.image for request in requests if isinstance(request, EmbedImage)]
    texts = [request.text for request in requests if isinstance(request, EmbedText)]
    with ThreadPoolExecutor(_PARALLEL_READS) as threads:
        prepared = list(threads.map(partial(_prepare, towers, store), images))
    readable = [picture for picture in prepared if not isinstance(picture, UnreadableMedia)]
    of_pictures = iter(_store_pictures(towers, readable, store) if readable else [])
    of_texts = iter(store_vectors(store, towers.encode_texts(texts)) if texts else [])
    of_images = iter([picture if isinstance(picture, UnreadableMedia) else next(of_pictures) for picture in prepared])
    return [next(of_images) if isinstance(request, EmbedImage) else next(of_texts) for request in requests]


def _store_pictures(towers: TwoTowers, prepared: Sequence[Any], store: ArtifactStore) -> list[Embedding]:
    if isinstance(towers, RecognizesConcepts):
        return store_vectors(store, *towers.encode_and_recognize(prepared))
    return store_vectors(store, towers.encode_pictures(prepared))


def _prepare(towers: TwoTowers, store: ArtifactStore, image: Artifact) -> Any:
    """Return the prepared picture, or the UnreadableMedia that its file raises."""
    try:
        return towers.prepare(decode_picture(store.get(image), towers.picture_side))
    except UnreadableMedia as error:
        return error


def decode_picture(data: bytes, side: int) -> "Image":
    """Decode a picture to upright RGB; crop one of an extreme aspect ratio to its middle. Raises UnreadableMedia."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            image.draft("RGB", (side * 2, side * 2))  # decode a JPEG that is far larger than the input at a lower scale
            if image.width * image.height > CAPS.image_pixels:
                raise UnreadableMedia(f"The picture has more than {CAPS.image_pixels / 1e6:.0f} million pixels.")
            picture = upright_rgb(image)
    except (*picture_errors(), MemoryError) as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken, cut off or far too large.") from error
    # A model that scales the shorter side to its input would turn a strip of two pixels' height into gigabytes.
    longest = min(picture.size) * _MAX_ASPECT_RATIO
    width, height = min(picture.width, longest), min(picture.height, longest)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
