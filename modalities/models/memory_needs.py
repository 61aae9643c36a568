"""Predict how much memory a model needs: from measured footprints, else from the catalogue or its file sizes."""

import logging

from modalities.contract import ModelSpec
from modalities.models.devices import choose_device, choose_dtype
from modalities.models.memory import Memory
from modalities.models.memory_footprints import FootprintStore, MemoryFootprint
from modalities.models.weights import WeightsLocator
from storage.errors import StorageError

_TOLERANCE = 0.05
"""A measurement within this relative difference of the stored one is not written again."""
_logger = logging.getLogger(__name__)


class MemoryNeeds:
    """The footprints that this process knows, backed by a store. Without a store: its own measurements only."""

    def __init__(self, weights: WeightsLocator, store: FootprintStore | None) -> None:
        self._weights = weights
        self._store = store
        self._known: dict[tuple[str, str], MemoryFootprint] = {}

    def predict(self, spec: ModelSpec) -> Memory:
        """Return the measured peak; if there is no measurement, `memory_mb` or the total size of the files."""
        found = self._find(spec)
        if found is not None:
            return Memory(max(found.resident, found.resident_peak), max(found.cuda, found.cuda_peak))
        guess = spec.memory_mb * 1_000_000 if spec.memory_mb else self._weights.size_bytes(spec)
        return Memory(guess, guess if choose_device(spec) == "cuda" else 0)

    def record(self, spec: ModelSpec, measured: MemoryFootprint) -> None:
        """Record a measurement, and store it if it differs from the stored one. A storage error is only logged."""
        key, before = self._key(spec), self._find(spec)
        self._known[key] = measured
        if self._store is None or (before is not None and _is_close(before, measured)):
            return
        try:
            self._store.put(*key, measured)
        except StorageError as error:
            # The request has its answer, and the next load measures again.
            _logger.warning("The footprint of %s could not be kept: %s", spec.name, error)

    def _find(self, spec: ModelSpec) -> MemoryFootprint | None:
        key = self._key(spec)
        if key not in self._known and self._store is not None:
            try:
                found = self._store.get(*key)
            except StorageError as error:
                _logger.warning("The footprint of %s could not be read: %s", spec.name, error)
                return None
            if found is not None:
                self._known[key] = found
        return self._known.get(key)

    def _key(self, spec: ModelSpec) -> tuple[str, str]:
        device = choose_device(spec)
        return self._weights.digest(spec), f"{device}-{choose_dtype(spec, device)}"


def _is_close(one: MemoryFootprint, other: MemoryFootprint) -> bool:
    pairs = zip(one.model_dump().values(), other.model_dump().values(), strict=True)
    return all(abs(a - b) <= _TOLERANCE * max(a, b) for a, b in pairs)
