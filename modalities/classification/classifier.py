"""The operator of what the recipes train: a linear head on vectors, or a fine-tuned encoder on texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from media.errors import ItemError
from modalities.classification.fine_tuned import FACTS, FineTuned
from modalities.classification.head import Head
from modalities.classification.requests import Classified, Classify, ClassifyText, Rated, RateText, classified
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import InvalidRequest
from modalities.models.devices import choose_device
from storage.artifacts import ArtifactStore


class Classifier:
    """A loaded classifier of either kind."""

    version: ClassVar[str] = "1"
    batch_size = 512

    def __init__(self, name: str, loaded: Head | FineTuned) -> None:
        self._name = name
        self.loaded = loaded

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Read what the folder holds. Raises ModelUnavailable."""
        if not is_fine_tuned(weights.folder):
            return cls(spec.name, Head.load(weights.folder))
        dtype = "bfloat16" if spec.dtype == "bfloat16" else "float32"
        return cls(spec.name, FineTuned.load(weights.folder, choose_device(spec), dtype))

    def __call__(
        self, requests: Sequence[Classify | ClassifyText | RateText], store: ArtifactStore, progress: Progress
    ) -> Sequence[Classified | Rated | ItemError]:
        """Return one result per request; InvalidRequest for one that this classifier cannot answer."""
        if isinstance(self.loaded, Head):
            answers = self._of_vectors(self.loaded, requests, store)
        else:
            answers = self._of_texts(self.loaded, requests)
        progress(1.0)
        return answers

    def _of_vectors(
        self, head: Head, requests: Sequence[Classify | ClassifyText | RateText], store: ArtifactStore
    ) -> list[Classified | Rated | ItemError]:
        facts = head.facts
        known = [each for each in requests if isinstance(each, Classify) and each.space == facts.space]
        vectors = [np.frombuffer(store.get(each.vector), "<f4", count=each.dimension) for each in known]
        rows = dict(zip(known, head.probabilities(np.stack(vectors)) if vectors else (), strict=True))
        return [
            classified(facts.labels, rows[request], facts.threshold)
            if isinstance(request, Classify) and request in rows
            else InvalidRequest(f"{self._name} was trained on vectors of {facts.space}: train it again.")
            for request in requests
        ]

    def _of_texts(
        self, model: FineTuned, requests: Sequence[Classify | ClassifyText | RateText]
    ) -> list[Classified | Rated | ItemError]:
        facts, wanted = model.facts, RateText if model.facts.rates else ClassifyText
        known = [request for request in requests if isinstance(request, wanted)]
        found = dict(zip(known, model.answers([(each.text, each.second) for each in known]), strict=True))
        said = "gives texts a number" if facts.rates else "reads texts"
        return [
            found[request] if isinstance(request, wanted) else InvalidRequest(f"{self._name} {said}.")
            for request in requests
        ]


def is_fine_tuned(folder: Path) -> bool:
    """Whether a folder holds a fine-tuned encoder, and not a linear head."""
    return (folder / FACTS).exists()
