"""Make the sampling of a CTranslate2 Whisper model reproducible."""

from collections.abc import Callable
from typing import Any

_SEED = 20_260_101


class SeededDecoder:
    """A CTranslate2 model that samples with the same random seed for every piece of sound.

    CTranslate2 seeds its generator once, when a worker thread samples for the first time. A model that has sampled is
    therefore rebuilt before the next piece (half a second for whisper-base; most pieces never sample).
    """

    def __init__(self, model: Any, build: Callable[[], Any]) -> None:
        self._model = model
        self._build = build
        self._sampled = False

    def restart(self) -> None:
        """Rebuild the model if it has sampled since the last restart."""
        if self._sampled:
            self._model, self._sampled = self._build(), False

    def generate(self, *arguments: Any, **options: Any) -> Any:
        if options.get("sampling_temperature", 0) > 0 and not self._sampled:
            import ctranslate2

            ctranslate2.set_random_seed(_SEED)
            self._sampled = True
        return self._model.generate(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
