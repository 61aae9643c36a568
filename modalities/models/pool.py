"""Load each model once per process, share it between threads, and measure the memory that it takes."""

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modalities.contract import KeepsAnswers, ModelSpec, Operator, Request, Result, Weights
from modalities.errors import ItemError, ModelUnavailable, NotEnoughMemory
from modalities.models import memory
from modalities.models.catalogue import Catalogue
from modalities.models.memory_footprints import FootprintStore
from modalities.models.memory_needs import MemoryNeeds
from modalities.models.model_cache import CacheEntry, CacheLimits, ModelCache
from modalities.models.operators import operator_class, recipe_name
from modalities.models.weights import WeightsLocator
from storage.errors import StorageError
from storage.recipes import Recipe

_LOAD_LOCK = threading.Lock()
"""Only one model loads at a time: transformers changes torch's default dtype for the whole process meanwhile."""


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model as `triptych status` shows it; memory as measured at its load."""

    name: str
    memory_bytes: int
    cuda_bytes: int
    idle_seconds: float


class OperatorPool:
    """The operators of one process, loaded on demand and cached within a memory budget."""

    def __init__(
        self,
        catalogue: Catalogue,
        weights: WeightsLocator,
        limits: CacheLimits | None = None,
        footprints: FootprintStore | None = None,
    ) -> None:
        self.catalogue = catalogue
        self._weights = weights
        self._needs = MemoryNeeds(weights, footprints)
        self._cache = ModelCache(limits or CacheLimits())

    def recipe(self, request: Request[Any]) -> Recipe:
        """Return the recipe of a request. Loads no model."""
        spec = self.catalogue.spec(request.model)
        return Recipe(
            operator=f"{recipe_name(spec)}:{type(request).__name__}",
            version=operator_class(spec).version,
            weights=self._weights.digest(spec),
            request=request.recipe_document() | {"options": spec.options, "dtype": spec.dtype},
            inputs=tuple(artifact.sha256 for artifact in request.artifacts()),
        )

    def earlier_recipes(self, request: Request[Any]) -> list[Recipe]:
        """Return the recipes of earlier versions of the operator whose answers may still be valid."""
        operator = operator_class(self.catalogue.spec(request.model))
        versions = operator.earlier_versions if isinstance(operator, KeepsAnswers) else ()
        return [self.recipe(request).model_copy(update={"version": version}) for version in versions]

    def keeps(self, request: Request[Any], answer: Result) -> bool:
        """Whether the operator would still give this answer of an earlier version."""
        operator = operator_class(self.catalogue.spec(request.model))
        return isinstance(operator, KeepsAnswers) and operator.is_still_valid(answer)

    def digest(self, model: str) -> str:
        """Return the digest of a model's weights. Loads no model."""
        return self._weights.digest(self.catalogue.spec(model))

    def fingerprint(self, model: str) -> str:
        """Return the sha256 of all that decides a model's answers: a recipe without its request. Loads no model."""
        spec = self.catalogue.spec(model)
        parts = [recipe_name(spec), operator_class(spec).version, self.digest(model), spec.options, spec.dtype]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def refresh(self) -> None:
        """Read again which published versions the aliases name; a model in use keeps its version until it is idle."""
        with self._cache.pinned() as models:
            self._weights.forget_aliases(except_for=models)

    def check_fits(self, model: str) -> None:
        """Raise NotEnoughMemory if the model exceeds the whole memory budget of this process."""
        with _translated_errors(model):
            self._cache.check_fits(model, self._needs.predict(self.catalogue.spec(model)))

    @contextmanager
    def operator(self, model: str) -> Generator[Operator[Any]]:
        """Yield the loaded operator, which is not evicted within the context. Raises NotEnoughMemory."""
        spec = self.catalogue.spec(model)
        entry, acquisition = self._cache.acquire(model)
        try:
            with entry.lock:
                if entry.weights != self.digest(model):
                    entry.unload()  # new, or of an earlier version, which has no other user: see refresh
                operator = entry.operator or self._load(spec, entry)
            yield operator
            self._measure_first_run(spec, entry, acquisition)
        except (MemoryError, RuntimeError) as error:
            if not memory.is_out_of_memory(error):
                raise
            self._cache.evict_all_idle()
            raise NotEnoughMemory(f"Memory ran out with the model {model}: {_first_line(error)}.") from error
        finally:
            self._cache.release(entry)

    def loaded(self) -> list[LoadedModel]:
        """List the loaded models, most recently used first."""
        found = self._cache.loaded().items()
        models = [LoadedModel(name, held.resident, held.cuda, idle) for name, (held, idle) in found]
        return sorted(models, key=lambda model: model.idle_seconds)

    def _load(self, spec: ModelSpec, entry: CacheEntry) -> Operator[Any]:
        """Load the model into its entry and measure the memory that this takes. Raises NotEnoughMemory."""
        need = self._needs.predict(spec)
        self._cache.check_fits(spec.name, need)
        self._cache.reserve(spec.name, entry, need)
        try:
            with _translated_errors(spec.name):
                weights = self._weights.locate(spec)
                memory.release_unused()  # garbage that is freed during the load would make the model look smaller
                memory.reset_peak()
                before = memory.usage()
                operator = self._load_operator(spec, weights)
        except BaseException:
            entry.unload()
            raise
        entry.resident, entry.peak = memory.usage() - before, memory.peak_usage() - before
        if not (resident := entry.resident).fits(self._cache.budget):
            self._needs.record(spec, entry.footprint)
            del operator
            entry.unload()
            memory.release_unused()
            raise self._cache.too_large(spec.name, resident)
        entry.operator, entry.weights, entry.usage_before_load = operator, weights.digest, before
        self._cache.evict_for(spec.name, entry.peak)
        return operator

    def _load_operator(self, spec: ModelSpec, weights: Weights) -> Operator[Any]:
        """Load the operator; if memory runs out, evict all idle models and try once more."""
        try:
            with _LOAD_LOCK:
                return operator_class(spec).load(spec, weights)
        except (MemoryError, RuntimeError) as error:
            if not memory.is_out_of_memory(error) or not self._cache.evict_all_idle():
                raise
            with _LOAD_LOCK:
                return operator_class(spec).load(spec, weights)

    def _measure_first_run(self, spec: ModelSpec, entry: CacheEntry, acquisition: int) -> None:
        """Record the footprint after the first run, unless another model ran meanwhile and blurred the measurement."""
        before, entry.usage_before_load = entry.usage_before_load, None
        if before is not None and self._cache.is_only_user(acquisition):
            entry.peak = memory.peak_usage() - before
            self._needs.record(spec, entry.footprint)


@contextmanager
def _translated_errors(model: str) -> Generator[None]:
    """Raise ModelUnavailable in the place of any error but our own and that memory ran out."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ItemError | StorageError) or memory.is_out_of_memory(error):
            raise
        sentence = f"The model {model} cannot be loaded: {type(error).__name__}: {_first_line(error)}."
        raise ModelUnavailable(sentence) from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0].rstrip(".")
