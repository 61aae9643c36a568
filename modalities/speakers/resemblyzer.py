"""The operator that tells speakers apart, with the weights that the package Resemblyzer carries."""

import pickle
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from media.errors import ItemError
from media.recordings.pieces import read_window
from modalities.contract import ModelSpec, Progress, Weights, progress_of_part
from modalities.errors import ModelUnavailable
from modalities.speakers.clustering import grouped, loud, turns
from modalities.speakers.requests import TURNS, Speakers, TellSpeakers
from modalities.speakers.voice_encoder import HOP_SECONDS, VoiceEncoder
from storage.artifacts import ArtifactStore

_WEIGHTS = "pretrained.pt"


class Resemblyzer:
    """Voices embedded window by window, and clustered: an hour takes about half a minute on one core."""

    version: ClassVar[str] = "1"
    batch_size = 1

    def __init__(self, encoder: VoiceEncoder) -> None:
        self._encoder = encoder

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Read the tensors of the weights. Raises ModelUnavailable."""
        try:
            return cls(VoiceEncoder(weights.folder / _WEIGHTS))
        except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
            raise ModelUnavailable(f"The weights of {spec.name} are not those of Resemblyzer: {error}.") from error

    def __call__(
        self, requests: Sequence[TellSpeakers], store: ArtifactStore, progress: Progress
    ) -> Sequence[Speakers | ItemError]:
        """Return the speakers of each recording, or the error of one whose sound cannot be read."""
        answers: list[Speakers | ItemError] = []
        for number, request in enumerate(requests):
            try:
                answers.append(self._tell(request, store, progress_of_part(progress, number, 1, len(requests))))
            except ItemError as error:
                answers.append(error)
        return answers

    def _tell(self, request: TellSpeakers, store: ArtifactStore, progress: Progress) -> Speakers:
        vectors, energies = [np.zeros((0, 256), np.float32)], [np.zeros(0, np.float32)]
        starts: list[NDArray[Any]] = [np.zeros(0)]
        with store.local(request.audio) as path:
            number, is_last = 0, False
            while not is_last:
                window = read_window(path, number, request.track)
                if len(window.samples):
                    found, energy = self._encoder.embed(window.samples)
                    vectors.append(found)
                    energies.append(energy)
                    starts.append(window.start_seconds + HOP_SECONDS * np.arange(len(found)))
                number, is_last = number + 1, window.is_last
                progress(min(window.end_seconds / max(window.expected_seconds, window.end_seconds, 1.0), 1.0))
        kept = loud(np.concatenate(energies))
        labels = grouped(np.concatenate(vectors)[kept])
        document = TURNS.dump_json(turns(labels, np.concatenate(starts)[kept]))
        return Speakers(count=len(set(labels.tolist())), turns=store.put(document, "application/json"))
