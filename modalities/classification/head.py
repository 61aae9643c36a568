"""A classification head: a linear layer over the vectors of an encoder, with a temperature and a threshold.

head.json            its labels, encoder, temperature and threshold
head.safetensors     weight: float32 of shape (labels, dimension); bias: float32 of shape (labels,)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modalities.errors import ModelUnavailable

HEAD_FACTS, _WEIGHTS = "head.json", "head.safetensors"
Array = NDArray[np.float32]


class HeadFacts(BaseModel):
    """What `head.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["texts", "pictures", "pairs"]
    labels: tuple[str, ...] = Field(min_length=2)
    encoder: str
    """The model of the catalogue that makes the vectors."""
    space: str
    """The vector space that it was trained in."""
    temperature: float = Field(gt=0)
    """What the logits are divided by, so that probabilities are calibrated."""
    threshold: float = Field(ge=0, le=1)
    """Below this probability an item is out of scope: none of the labels."""
    dataset: str
    """NAME@DIGEST of the dataset that it was trained on."""


@dataclass(frozen=True)
class Head:
    """A loaded head."""

    facts: HeadFacts
    weight: Array
    bias: Array

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder. Raises ModelUnavailable if it holds no head."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            facts = HeadFacts.model_validate_json((folder / HEAD_FACTS).read_text(encoding="utf-8"))
            tensors = load_file(folder / _WEIGHTS)
            return cls(facts, tensors["weight"], tensors["bias"])
        except (OSError, ValidationError, SafetensorError, KeyError) as error:
            raise ModelUnavailable(
                f"{folder.name} holds no classification head: train one with `triptych train … --dataset NAME`."
            ) from error

    def save(self, folder: Path) -> None:
        """Write it to a folder."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        (folder / HEAD_FACTS).write_text(self.facts.model_dump_json(indent=1), encoding="utf-8")
        tensors = {"weight": np.ascontiguousarray(self.weight), "bias": np.ascontiguousarray(self.bias)}
        save_file(tensors, folder / _WEIGHTS)

    def logits(self, vectors: Array) -> Array:
        """The logits of each vector, before the temperature: shape (vectors, labels)."""
        return vectors @ self.weight.T + self.bias

    def probabilities(self, vectors: Array) -> NDArray[np.float64]:
        """The calibrated probability of each label: shape (vectors, labels)."""
        return softmax(self.logits(vectors) / self.facts.temperature)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities of each row, in float64."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
