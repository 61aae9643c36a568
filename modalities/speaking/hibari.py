"""The operator for hibari's voices: English text to speech on a CPU, a hundred times faster than real time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from media.audio.files import encode_whole
from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.speaking.requests import Speak, Spoken
from storage.artifacts import ArtifactStore

_LEAST_LATIN = 0.5
"""The voices read English; of a text in another script they would leave out every letter."""
_FADE_SECONDS = 0.005


class HibariOptions(BaseModel):
    """The `options` of a hibari model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: str = Field(default="heart", description="The name of the voice in hibari.onnx.")
    british: bool = Field(default=False, description="Whether it reads by British spelling rules.")
    threads: int = Field(default=1, ge=1)


class HibariVoice:
    """One voice: an ONNX model with hibari's inputs and outputs, read with the lexicon of the package."""

    version: ClassVar[str] = "1"

    def __init__(self, speaker: Any, options: HibariOptions) -> None:
        self.batch_size = 1  # so that each passage can be heard as soon as it is spoken
        self._speaker = speaker
        self._options = options

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the ONNX model. Nothing is downloaded. Raises ModelUnavailable."""
        from hibari import Hibari
        from hibari.g2p import G2P

        options = HibariOptions.model_validate(spec.options)
        model = _model_file(spec.name, weights)
        speaker = Hibari(model=str(model), threads=options.threads, g2p=G2P(british=options.british))
        return cls(speaker, options)

    def __call__(
        self, requests: Sequence[Speak], store: ArtifactStore, progress: Progress
    ) -> Sequence[Spoken | ItemError]:
        """Return the sound of each text; InvalidRequest in the place of a text without English words."""
        answers: list[Spoken | ItemError] = []
        for number, request in enumerate(requests, start=1):
            try:
                answers.append(self._speak(request, store))
            except ItemError as error:
                answers.append(error)
            progress(number / len(requests))
        return answers

    def _speak(self, request: Speak, store: ArtifactStore) -> Spoken:
        if request.voice != self._options.voice:
            raise InvalidRequest(
                f"The model {request.model} has no voice {request.voice!r}: its voice is {self._options.voice}."
            )
        if not any(character.isalnum() for character in request.text):
            raise InvalidRequest("The text has no words that can be read aloud.")
        _check_script(request.text)
        samples = self._speaker(request.text, speed=request.speed, seed=request.seed)
        if len(samples) == 0:
            raise InvalidRequest("The text has no words that can be read aloud.")
        rate = int(self._speaker.sample_rate)
        sound = encode_whole([_faded(np.asarray(samples, np.float32), rate)], rate, "flac")
        return Spoken(
            audio=store.put(sound, "audio/flac"), duration_seconds=round(len(samples) / rate, 3), sample_rate=rate
        )


def _model_file(name: str, weights: Weights) -> Path:
    found = sorted(path for folder in weights.folders for path in folder.rglob("*.onnx") if "oov" not in path.name)
    if len(found) != 1:
        raise ModelUnavailable(f"The weights of {name} should have one voice as .onnx, and have {len(found)}.")
    return found[0]


def _check_script(text: str) -> None:
    """Raise InvalidRequest for a text whose letters are mostly not Latin."""
    letters = [character for character in text if character.isalpha()]
    latin = sum(1 for letter in letters if letter <= "\u024f")
    if letters and latin < _LEAST_LATIN * len(letters):
        raise InvalidRequest("The voice reads English aloud, and this text is in another script: translate it first.")


def _faded(samples: Any, rate: int) -> Any:
    """Fade in and out, so that passages that are put together do not click."""
    count = min(int(_FADE_SECONDS * rate), len(samples) // 2)
    ramp = np.linspace(0, 1, count, dtype=np.float32)
    faded = np.clip(samples, -1, 1)
    faded[:count] *= ramp
    faded[len(faded) - count :] *= ramp[::-1]
    return faded
