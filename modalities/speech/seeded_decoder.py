"""A decoder whose random numbers are the same for every recording."""

from collections.abc import Callable
from typing import Any

_SEED = 20_260_101


class SeededDecoder:
    """A CTranslate2 model that draws the same random numbers for every recording.

    CTranslate2 seeds its generator when a worker thread first samples, and never again: a model that has sampled is
    therefore built anew before the next recording (half a second for whisper-base; most recordings never sample).
    """

    def __init__(self, model: Any, build: Callable[[], Any]) -> None:
        self._model = model
        self._build = build
        self._sampled = False

    def restart(self) -> None:
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
