"""What models need: as it was measured and is remembered in the bucket, else as the catalogue or their files tell."""

import logging

from modalities.contract import ModelSpec
from modalities.models.devices import choose_device, choose_dtype
from modalities.models.measured_memory import Footprint, Footprints
from modalities.models.memory import Memory
from modalities.models.weights import WeightsLocator
from storage.errors import StorageError

_NOTEWORTHY = 0.05
"""A measurement that differs by less from the one before is not written again."""
_logger = logging.getLogger(__name__)


class KnownFootprints:
    """The footprints that this process has read, and the way to the others. Without a bucket: its own measurements."""

    def __init__(self, weights: WeightsLocator, kept: Footprints | None) -> None:
        self._weights = weights
        self._kept = kept
        self._known: dict[tuple[str, str], Footprint] = {}

    def need(self, spec: ModelSpec) -> Memory:
        """The most that the model takes; before anybody measured it, `memory_mb` or the size of its files."""
        found = self._find(spec)
        if found is not None:
            return Memory(max(found.resident, found.resident_peak), max(found.cuda, found.cuda_peak))
        guess = spec.memory_mb * 1_000_000 if spec.memory_mb else self._weights.size_bytes(spec)
        return Memory(guess, guess if choose_device(spec) == "cuda" else 0)

    def remember(self, spec: ModelSpec, measured: Footprint) -> None:
        """Keep a measurement, for every machine that loads these weights on such a device."""
        key, before = self._key(spec), self._find(spec)
        self._known[key] = measured
        if self._kept is None or (before is not None and _alike(before, measured)):
            return
        try:
            self._kept.remember(*key, measured)
        except StorageError as error:
            # The answer is there, and the next load measures again.
            _logger.warning("The footprint of %s could not be kept: %s", spec.name, error)

    def _find(self, spec: ModelSpec) -> Footprint | None:
        key = self._key(spec)
        if key not in self._known and self._kept is not None:
            try:
                found = self._kept.find(*key)
            except StorageError as error:
                _logger.warning("The footprint of %s could not be read: %s", spec.name, error)
                return None
            if found is not None:
                self._known[key] = found
        return self._known.get(key)

    def _key(self, spec: ModelSpec) -> tuple[str, str]:
        device = choose_device(spec)
        return self._weights.digest(spec), f"{device}-{choose_dtype(spec, device)}"


def _alike(one: Footprint, other: Footprint) -> bool:
    pairs = zip(one.model_dump().values(), other.model_dump().values(), strict=True)
    return all(abs(a - b) <= _NOTEWORTHY * max(a, b) for a, b in pairs)
