"""A dataset as a folder on this machine: what recipes train on.

dataset.json          its name, digest, kind, labels, and how many items are gone
items.jsonl           one item per line, with its key, text, label and split
vectors.safetensors   of pictures: the vector of each item, in the order of the lines, and their vector space
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from storage.atomic_files import atomic_write
from training.datasets.manifest import Item, Kind, Split
from training.pipeline import DataMissing

DATASET = "dataset"
"""The folder of the dataset in a work folder."""
_DATASET, _ITEMS, _VECTORS = "dataset.json", "items.jsonl", "vectors.safetensors"


class DatasetFacts(BaseModel):
    """What `dataset.json` says. `gone` counts the artifacts that were removed since the version was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str
    kind: Kind
    labels: tuple[str, ...]
    licence: str = ""
    gone: int = 0
    space: str = ""
    """The vector space of the vectors, if there are any."""
    model: str = ""
    """The model that made the vectors."""
    cpu_seconds: float = 0.0
    """The processor time that the vectors took."""


class Dataset(BaseModel):
    """A dataset in memory. The texts of artifacts stand in their items; `vectors` has a row for each item, or none."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    facts: DatasetFacts
    items: tuple[Item, ...]
    vectors: NDArray[np.float32] | None = None

    def of(self, *splits: Split, labelled: bool = True) -> list[int]:
        """The places of the items of some splits: those with a label, or those without one."""
        return [
            place
            for place, item in enumerate(self.items)
            if item.split in splits and (item.label is not None) == labelled
        ]

    def labels_of(self, places: Sequence[int]) -> NDArray[np.int64]:
        """The number of the label of each of these labelled items, in the order of `facts.labels`."""
        numbers = {label: number for number, label in enumerate(self.facts.labels)}
        return np.array([numbers[self.items[place].label or ""] for place in places], np.int64)


def write_folder(folder: Path, dataset: Dataset) -> None:
    """Write a dataset as a folder, whole or not at all."""
    with atomic_write(folder) as unfinished:
        unfinished.mkdir(exist_ok=True)
        lines = (json.dumps(item.model_dump(mode="json"), ensure_ascii=False) for item in dataset.items)
        (unfinished / _ITEMS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (unfinished / _DATASET).write_text(dataset.facts.model_dump_json(indent=1), encoding="utf-8")
        if dataset.vectors is not None:
            from safetensors.numpy import save_file

            save_file({"vectors": np.ascontiguousarray(dataset.vectors)}, unfinished / _VECTORS)


def read_folder(folder: Path) -> Dataset:
    """Read a dataset folder. Raises DataMissing if it is none."""
    try:
        facts = DatasetFacts.model_validate_json((folder / _DATASET).read_text(encoding="utf-8"))
        lines = (folder / _ITEMS).read_text(encoding="utf-8").split("\n")  # splitlines would split at U+2028, too
        items = tuple(Item.model_validate_json(line) for line in lines if line)
    except (OSError, ValidationError) as error:
        raise DataMissing(
            f"{folder} holds no dataset: train with --dataset NAME, which `triptych dataset create` made."
        ) from error
    return Dataset(facts=facts, items=items, vectors=_read_vectors(folder))


def _read_vectors(folder: Path) -> Any:
    if not (folder / _VECTORS).exists():
        return None
    from safetensors.numpy import load_file

    return load_file(folder / _VECTORS)["vectors"]
