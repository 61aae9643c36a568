"""The operator that classifies vectors by a head that one of the recipes trained."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from media.errors import ItemError
from modalities.classification.head import Head
from modalities.classification.requests import Classified, Classify, classified
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import InvalidRequest
from storage.artifacts import ArtifactStore


class LinearHead:
    """A loaded head."""

    version: ClassVar[str] = "1"
    batch_size = 512

    def __init__(self, name: str, head: Head) -> None:
        self._name = name
        self.head = head

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Read the head. Raises ModelUnavailable."""
        return cls(spec.name, Head.load(weights.folder))

    def __call__(
        self, requests: Sequence[Classify], store: ArtifactStore, progress: Progress
    ) -> Sequence[Classified | ItemError]:
        """Return one result per request; InvalidRequest for a vector of another space."""
        facts = self.head.facts
        known = [request for request in requests if request.space == facts.space]
        vectors = [np.frombuffer(store.get(each.vector), "<f4", count=each.dimension) for each in known]
        rows = iter(self.head.probabilities(np.stack(vectors)) if vectors else ())
        progress(1.0)
        return [
            classified(facts.labels, next(rows), facts.threshold)
            if request.space == facts.space
            else InvalidRequest(
                f"{self._name} was trained on vectors of {facts.space}, not {request.space}: train it again."
            )
            for request in requests
        ]
