"""The vectors of a dataset's texts. Those of the same texts in an earlier folder are taken from there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flows.library.classification.vectors import text_vectors
from flows.running.context import RunContext
from modalities.embedding.requests import Vectors
from modalities.errors import InvalidRequest, ModelUnavailable
from training.classification.costs import cpu_seconds
from training.classification.testing import text_of_item
from training.datasets.folder import Dataset, DatasetFacts, read_folder
from training.datasets.manifest import Item
from training.pipeline import DataMissing

_BATCH = 1024


def encode_texts(
    context: RunContext, facts: DatasetFacts, items: Sequence[Item], encoder: str, folder: Path
) -> Dataset:
    """Encode texts in this process, and leave nothing of it in the bucket. Raises ModelUnavailable."""
    space, started = context.space.platform.vector_space(encoder), cpu_seconds()
    known = _known(folder, space)
    texts = list(dict.fromkeys(text for text in map(text_of_item, items) if text not in known))
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        known |= dict(zip(batch, _encode(context, encoder, batch), strict=True))
        context.show_status(f"vectors of texts: {start + len(batch)} of {len(texts)}")
        context.progress((start + len(batch)) / len(texts))
    update = {"space": space, "model": encoder, "cpu_seconds": cpu_seconds() - started}
    rows = np.stack([known[text_of_item(item)] for item in items]) if items else np.empty((0, 0), np.float32)
    return Dataset(facts=facts.model_copy(update=update), items=tuple(items), vectors=rows)


def _encode(context: RunContext, encoder: str, texts: Sequence[str]) -> list[Vectors]:
    try:
        return text_vectors(context.space, encoder, texts)
    except InvalidRequest as error:
        raise ModelUnavailable(f"The model {encoder} cannot encode texts: {error}") from error


def _known(folder: Path, space: str) -> dict[str, Vectors]:
    try:
        before = read_folder(folder)
    except DataMissing:
        return {}
    if before.vectors is None or before.facts.space != space:
        return {}
    return {text_of_item(item): vector for item, vector in zip(before.items, before.vectors, strict=True)}
