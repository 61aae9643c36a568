"""Previews of a picture while it is sampled: files under tmp/ that are no artifacts and expire.

Their keys follow from the request, so that whoever waits for its answer finds them.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from modalities.generation.pipelines import decode_latents
from modalities.generation.requests import GenerateImage
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.errors import StorageError


def preview_steps(steps: int, previews: int) -> list[int]:
    """Return after how many of the steps each preview is made: at equal distances, none after the last step."""
    return sorted({round(steps * number / (previews + 1)) for number in range(1, previews + 1)} - {0, steps})


def put_previews(
    store: ArtifactStore, requests: Sequence[GenerateImage], number: int, pipeline: Any, latents: Any
) -> None:
    """Decode the latents (pictures, channels, height, width) of a batch, and store preview `number` of each request.

    Latents of another shape have no previews. A server that is away is no error: the picture is made without them.
    """
    pixels = decode_latents(pipeline, latents)
    if pixels is None:
        return
    with suppress(StorageError):
        for request, picture in zip(requests, pixels, strict=True):
            key = f"{_prefix(store.project, request)}{number}"
            store.bucket.put(key, _png(picture), media_type="image/png")


def find_previews(bucket: Bucket, project: str, request: GenerateImage, known: set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers, from 0, and the PNG files of the previews of a request that are stored and not known yet."""
    prefix = _prefix(project, request)
    for found in bucket.objects(prefix):
        number = int(found.key.removeprefix(prefix))
        if number not in known:
            yield number, bucket.get(found.key)


def remove_previews(bucket: Bucket, project: str, request: GenerateImage) -> None:
    """Delete the previews of a request."""
    bucket.remove_all([found.key for found in bucket.objects(_prefix(project, request))])


def _png(pixels: Any) -> bytes:
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray((np.nan_to_num(pixels) * 255).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _prefix(project: str, request: GenerateImage) -> str:
    document = json.dumps(request.recipe_document(), sort_keys=True)
    return f"tmp/previews/{project}/{hashlib.sha256(document.encode()).hexdigest()}/"
