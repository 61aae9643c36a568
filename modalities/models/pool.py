"""The pool: models loaded once, admitted by the memory that they were measured to take, let go when others need it."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modalities.contract import ModelSpec, Operator, Request, Weights
from modalities.errors import NotEnoughMemory
from modalities.models import memory
from modalities.models.admission import Bounds, Place, Room
from modalities.models.catalogue import Catalogue
from modalities.models.measured_memory import Footprints
from modalities.models.memory_needs import KnownFootprints
from modalities.models.operators import operator_class, recipe_name
from modalities.models.weights import WeightsLocator
from storage.recipes import Recipe

_LOADING = threading.Lock()
"""transformers changes the default number format of the whole process while it loads: one model at a time."""


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model as `triptych status` shows it, with the main memory and the GPU's that it was measured to hold."""

    name: str
    memory_bytes: int
    cuda_bytes: int
    idle_seconds: float


class OperatorPool:
    """The models of one process."""

    def __init__(
        self,
        catalogue: Catalogue,
        weights: WeightsLocator,
        bounds: Bounds | None = None,
        footprints: Footprints | None = None,
    ) -> None:
        self.catalogue = catalogue
        self._weights = weights
        self._footprints = KnownFootprints(weights, footprints)
        self._room = Room(bounds or Bounds())

    def recipe(self, request: Request[Any]) -> Recipe:
        """The recipe of a request; loads no model."""
        spec = self.catalogue.spec(request.model)
        return Recipe(
            operator=f"{recipe_name(spec)}:{type(request).__name__}",
            version=operator_class(spec).version,
            weights=self._weights.digest(spec),
            request=request.model_dump(mode="json") | {"options": spec.options, "dtype": spec.dtype},
            inputs=tuple(artifact.sha256 for artifact in request.artifacts()),
        )

    def digest(self, model: str) -> str:
        """The digest of a model's weights; loads no model."""
        return self._weights.digest(self.catalogue.spec(model))

    def refresh(self) -> None:
        """Look up which published versions are the ones to use; a model in use stays what it is until it is idle."""
        with self._room.in_use() as models:
            self._weights.forget_aliases(except_for=models)

    def check_fits(self, model: str) -> None:
        """Raise NotEnoughMemory, with the numbers, when the model can never be loaded here."""
        self._room.check(model, self._footprints.need(self.catalogue.spec(model)))

    @contextmanager
    def operator(self, model: str) -> Generator[Operator[Any]]:
        """A loaded model, which stays loaded at least as long as the context. Raises NotEnoughMemory."""
        spec = self.catalogue.spec(model)
        place, entry = self._room.enter(model)
        try:
            with place.lock:
                if place.weights != self.digest(model):
                    place.empty()  # of other weights, or new; nobody else uses it: see refresh
                operator = place.operator or self._load(spec, place)
            yield operator
            self._measure_first_run(spec, place, entry)
        except (MemoryError, RuntimeError) as error:
            if not memory.is_out_of_memory(error):
                raise
            self._room.unload_all_idle()
            raise NotEnoughMemory(f"Memory ran out with the model {model}: {_first_line(error)}.") from error
        finally:
            self._room.leave(place)

    def loaded(self) -> list[LoadedModel]:
        """What is in memory now, most recently used first."""
        found = self._room.loaded().items()
        models = [LoadedModel(name, held.resident, held.cuda, idle) for name, (held, idle) in found]
        return sorted(models, key=lambda model: model.idle_seconds)

    def _load(self, spec: ModelSpec, place: Place) -> Operator[Any]:
        """Load the model into its place, and measure what that took."""
        need = self._footprints.need(spec)
        self._room.check(spec.name, need)
        self._room.reserve(spec.name, place, need)
        try:
            weights = self._weights.locate(spec)
            memory.give_back()  # what earlier work left behind is not to go while this is measured
            memory.forget_peak()
            before = memory.in_use()
            operator = self._loaded(spec, weights)
        except BaseException:
            place.empty()
            raise
        place.held, place.most = memory.in_use() - before, memory.peak() - before
        if not (held := place.held).fits(self._room.limit):
            self._footprints.remember(spec, place.footprint)
            del operator
            place.empty()
            memory.give_back()
            raise self._room.refusal(spec.name, held)
        place.operator, place.weights, place.unmeasured = operator, weights.digest, before
        self._room.make_room(spec.name, place.most)
        return operator

    def _loaded(self, spec: ModelSpec, weights: Weights) -> Operator[Any]:
        try:
            with _LOADING:
                return operator_class(spec).load(spec, weights)
        except (MemoryError, RuntimeError) as error:
            # Memory is scarcer than the numbers say: once more, with all of it.
            if not memory.is_out_of_memory(error) or not self._room.unload_all_idle():
                raise
            with _LOADING:
                return operator_class(spec).load(spec, weights)

    def _measure_first_run(self, spec: ModelSpec, place: Place, entry: int) -> None:
        """Remember the footprint, unless another model ran meanwhile: then the next load is measured."""
        before, place.unmeasured = place.unmeasured, None
        if before is not None and self._room.is_alone(entry):
            place.most = memory.peak() - before
            self._footprints.remember(spec, place.footprint)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0].rstrip(".")
