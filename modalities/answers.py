"""Answer requests from stored recipes where possible, and run models in batches for the rest."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from media.errors import ItemError
from modalities.contract import (
    Operator,
    PiecewiseOperator,
    Progress,
    Request,
    Result,
    ResultT,
    no_progress,
    progress_of_part,
)
from modalities.errors import ArtifactLost, ModelFault
from modalities.models.pool import OperatorPool
from modalities.scratch import ScratchStore
from storage.artifacts import ArtifactStore
from storage.claims import Claims, ClaimSession
from storage.errors import ArtifactCorrupt, ArtifactNotFound, RecordCorrupt
from storage.recipes import Recipe, RecipeRecord, RecipeStore

Answer = Result | ItemError
_STORAGE_THREADS = 4
_POLL_SECONDS = 0.2
"""Pause between two attempts to claim requests that another process has claimed."""


class Answers:
    """The answers of one project: stored results by recipe, and the models that compute the missing ones."""

    def __init__(self, pool: OperatorPool, store: ArtifactStore, recipes: RecipeStore, claims: Claims) -> None:
        self._pool = pool
        self._store = store
        self._recipes = recipes
        self._claims = claims

    def find(self, request: Request[ResultT]) -> ResultT | None:
        """Return the stored result, or None: also one of an earlier version that is still valid. Loads no model."""
        kind = request.result_type()
        if record := self._recipes.find(self._pool.recipe(request).key):
            return kind.model_validate(record.result)
        for recipe in self._pool.earlier_recipes(request):
            record = self._recipes.find(recipe.key)
            if record and self._pool.keeps(request, found := kind.model_validate(record.result)):
                return found
        return None

    def find_all(self, requests: Sequence[Request[Any]]) -> list[Result | None]:
        """Look up many requests in parallel, after reading which model versions the aliases name now."""
        self._pool.refresh()
        with ThreadPoolExecutor(_STORAGE_THREADS) as threads:
            return list(threads.map(self.find, requests))

    def unusable(self, requests: Sequence[Request[Any]]) -> dict[Request[Any], ModelFault]:
        """Return the error of each request whose model is unknown or has no weights. Loads no model."""
        faults: dict[str, ModelFault | None] = {}
        for request in requests:
            if request.model not in faults:
                faults[request.model] = self._fault(request)
        return {request: fault for request in requests if (fault := faults[request.model])}

    def _fault(self, request: Request[Any]) -> ModelFault | None:
        try:
            self._pool.recipe(request)
        except ModelFault as fault:
            return fault
        return None

    def keep(self, request: Request[ResultT], result: ResultT) -> ResultT:
        """Store a result that was put together from those of other requests; return the stored one."""
        return self._store_answer(request, result, seconds=None)  # pyright: ignore[reportReturnType]

    def recipe(self, request: Request[Any]) -> Recipe:
        """Return the recipe under which the result is stored. Loads no model."""
        return self._pool.recipe(request)

    def run(self, request: Request[ResultT], progress: Progress = no_progress) -> ResultT:
        """Return the result, computing it if it is not stored. Raises ItemError if the request fails."""
        answer = self.run_all([request], progress)[0]
        if isinstance(answer, ItemError):
            raise answer
        return answer  # pyright: ignore[reportReturnType]

    def run_all(self, requests: Sequence[Request[Any]], progress: Progress = no_progress) -> list[Answer]:
        """Return one answer per request, in order; the ItemError of a request that failed is its answer.

        Equal requests run once. Each batch is claimed before it runs, so that no other process computes it at the same
        time; requests that another process has claimed are polled until their results are stored. A batch is stored
        before the next one begins, so a crash loses at most one batch.
        """
        self._pool.refresh()
        answers: dict[Request[Any], Answer] = dict(self.unusable(requests))
        usable = [request for request in dict.fromkeys(requests) if request not in answers]
        answers |= {
            request: found for request, found in zip(usable, self.find_all(usable), strict=True) if found is not None
        }
        missing = [request for request in usable if request not in answers]
        done = 0
        for model, group in _group_by_model(missing).items():
            try:
                for batch, answered in self._run_group(model, group, progress, done, len(missing)):
                    answers.update(zip(batch, answered, strict=True))
            except ModelFault as fault:  # the other models go on
                answers |= {request: fault for request in group if request not in answers}
            done += len(group)
        progress(1.0)
        return [answers[request] for request in requests]

    def _run_group(
        self, model: str, group: Sequence[Request[Any]], progress: Progress, done: int, total: int
    ) -> Iterator[tuple[list[Request[Any]], list[Answer]]]:
        """Yield the requests of one model in batches with their answers. Raises ModelFault, such as NotEnoughMemory."""
        self._pool.check_fits(model)
        with self._pool.operator(model) as operator, self._claims.session() as session:
            for batch in self._claimed_batches(session, group, operator.batch_size):
                batch_progress = progress_of_part(progress, done, len(batch), total)
                yield batch, self._answer_batch(operator, batch, batch_progress)
                done += len(batch)

    def run_unkept(self, requests: Sequence[Request[Any]]) -> tuple[list[Answer], ScratchStore]:
        """Return one answer per request, in order, of which nothing is stored, and the store with their artifacts.

        Equal requests run once.
        """
        scratch = ScratchStore(self._store)
        store = cast("ArtifactStore", scratch)
        answers: dict[Request[Any], Answer] = {}
        for model, group in _group_by_model(list(dict.fromkeys(requests))).items():
            with self._pool.operator(model) as operator:
                for batch in _batches(group, operator.batch_size):
                    answers.update(zip(batch, operator(batch, store, no_progress), strict=True))
        return [answers[request] for request in requests], scratch

    def recompute(self, requests: Sequence[Request[Any]]) -> list[RecipeRecord | ItemError]:
        """Run the models even for requests with stored results.

        New artifacts are stored; existing recipe records are left as they are.
        """
        records: dict[Request[Any], RecipeRecord | ItemError] = {}
        for model, group in _group_by_model(list(dict.fromkeys(requests))).items():
            with self._pool.operator(model) as operator:
                for batch in _batches(group, operator.batch_size):
                    for request, answer in zip(batch, self._call(operator, batch, no_progress), strict=True):
                        failed = isinstance(answer, ItemError)
                        records[request] = answer if failed else self._record(request, answer, None)
        return [records[request] for request in requests]

    def _claimed_batches(
        self, session: ClaimSession, requests: Sequence[Request[Any]], size: int
    ) -> Iterator[list[Request[Any]]]:
        """Yield the requests in batches that are claimed; the claims end when the caller asks for more batches."""
        waiting = {request: f"{self._store.project}/{self._pool.recipe(request).key}" for request in requests}
        while waiting:
            claimed: list[Request[Any]] = []
            for candidates in _batches(list(waiting), size):
                taken = session.take([waiting[request] for request in candidates])
                claimed += [request for request, is_taken in zip(candidates, taken, strict=True) if is_taken]
                if len(claimed) >= size:
                    break
            yield from _batches(claimed, size)
            session.release()
            for request in claimed:
                del waiting[request]
            if not claimed:
                time.sleep(_POLL_SECONDS)

    def _answer_batch(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> list[Answer]:
        """Answer a claimed batch; another process may have stored results between the first look-up and the claim."""
        found = dict(zip(batch, self.find_all(batch), strict=True))
        missing = [request for request, answer in found.items() if answer is None]
        computed = dict(zip(missing, self._run_batch(operator, missing, progress), strict=True)) if missing else {}
        return [answer if answer is not None else computed[request] for request, answer in found.items()]

    def _run_batch(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> list[Answer]:
        """Run the operator on a batch and store its results."""
        started = time.perf_counter()
        answers = self._call(operator, batch, progress)
        seconds = round((time.perf_counter() - started) / len(batch), 4)
        with ThreadPoolExecutor(_STORAGE_THREADS) as threads:
            return list(threads.map(partial(self._store_answer, seconds=seconds), batch, answers))

    def _call(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> Sequence[Answer]:
        """Call the operator for the batch; if an artifact is lost, or a mark of one is corrupt, once per request."""
        try:
            return self._call_at_once(operator, batch, progress)
        except (ArtifactNotFound, ArtifactCorrupt, RecordCorrupt) as error:
            if len(batch) == 1:
                return [ArtifactLost(str(error))]
            return [answer for request in batch for answer in self._call(operator, [request], no_progress)]

    def _call_at_once(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> Sequence[Answer]:
        """Call the operator once for the batch, or once per request if it works piece by piece."""
        if not isinstance(operator, PiecewiseOperator):
            return operator(batch, self._store, progress)
        return [
            operator.answer(
                request, self._store, progress_of_part(progress, number, 1, len(batch)), self._find_or_compute
            )
            for number, request in enumerate(batch)
        ]

    def _find_or_compute(self, part: Request[ResultT], compute: Callable[[], ResultT], /) -> ResultT:
        """Return the stored result of a piece, or compute and store it."""
        found = self.find(part)
        if found is not None:
            return found
        started = time.perf_counter()
        result = compute()
        seconds = round(time.perf_counter() - started, 4)
        return self._store_answer(part, result, seconds=seconds)  # pyright: ignore[reportReturnType]

    def _store_answer(self, request: Request[Any], answer: Answer, *, seconds: float | None) -> Answer:
        """Store a result unless its recipe has one, and return the stored result. Errors are passed through."""
        if isinstance(answer, ItemError):
            return answer
        record = self._recipes.add(self._record(request, answer, seconds))
        return request.result_type().model_validate(record.result)

    def _record(self, request: Request[Any], result: Result, seconds: float | None) -> RecipeRecord:
        return RecipeRecord(
            recipe=self._pool.recipe(request),
            result=result.model_dump(mode="json"),
            outputs=tuple(artifact.sha256 for artifact in result.artifacts()),
            seconds=seconds,
        )


def _group_by_model(requests: Sequence[Request[Any]]) -> dict[str, list[Request[Any]]]:
    groups: defaultdict[str, list[Request[Any]]] = defaultdict(list)
    for request in requests:
        groups[request.model].append(request)
    return groups


def _batches(requests: list[Request[Any]], size: int) -> Iterator[list[Request[Any]]]:
    for start in range(0, len(requests), size):
        yield requests[start : start + size]
