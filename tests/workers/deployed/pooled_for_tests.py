"""A real operator pool with a memory budget in which two of its three models fit."""

import atexit
import shutil
import tempfile
from pathlib import Path

from modalities.models.model_cache import CacheLimits
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from tests.modalities.models.ballast import MEGABYTE, Ballast, ballast

_FOLDER = Path(tempfile.mkdtemp(prefix="triptych-pooled-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_CATALOGUE = ballast(_FOLDER, **{name: {"megabytes": 40, "memory_mb": 40} for name in ("red", "green", "blue")})
_WEIGHTS = WeightsLocator(_FOLDER, _FOLDER / "cache", None)
POOL = OperatorPool(_CATALOGUE, _WEIGHTS, CacheLimits(memory_bytes=100 * MEGABYTE))

__all__ = ["POOL", "Ballast", "loaded"]


def loaded() -> dict[str, int]:
    return {model.name: model.memory_bytes for model in POOL.loaded()}
