"""Answers: ask a question once. Recipes that the bucket knows are read; only the others run, in batches."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from media.errors import ItemError
from modalities.contract import InPieces, Operator, Progress, Request, Result, ResultT, no_progress
from modalities.models.pool import OperatorPool
from storage.artifacts import ArtifactStore
from storage.claims import Claims, ClaimSession
from storage.recipes import Recipe, RecipeRecord, RecipeStore

Answer = Result | ItemError
_LOOKUPS_AT_ONCE = 4
_LOOK_AGAIN_SECONDS = 0.2
"""How often somebody else's work in hand is looked at."""


class Answers:
    """The questions and answers of one project."""

    def __init__(self, pool: OperatorPool, store: ArtifactStore, recipes: RecipeStore, claims: Claims) -> None:
        self._pool = pool
        self._store = store
        self._recipes = recipes
        self._claims = claims

    def find(self, request: Request[ResultT]) -> ResultT | None:
        """The answer, if somebody has it already. Loads no model."""
        record = self._recipes.find(self._pool.recipe(request).key)
        return request.result_type().model_validate(record.result) if record else None

    def find_all(self, requests: Sequence[Request[Any]]) -> list[Result | None]:
        """`find` for many, a few at a time, as of now: by the versions that the aliases stand for."""
        self._pool.refresh()
        with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as threads:
            return list(threads.map(self.find, requests))

    def recipe(self, request: Request[Any]) -> Recipe:
        """The recipe under which the answer is, or will be, kept."""
        return self._pool.recipe(request)

    def run(self, request: Request[ResultT], progress: Progress = no_progress) -> ResultT:
        """The answer. Raises the ItemError of a request that cannot be answered."""
        answer = self.run_all([request], progress)[0]
        if isinstance(answer, ItemError):
            raise answer
        return answer  # pyright: ignore[reportReturnType]

    def run_all(self, requests: Sequence[Request[Any]], progress: Progress = no_progress) -> list[Answer]:
        """One answer per request, in order, with the error in the place of one that failed.

        Equal requests run once, also when others ask them at the same time: each batch is claimed, and what others
        have claimed is waited for. Each batch is recorded as soon as it is done, so that what follows it can die.
        """
        answers: dict[Request[Any], Answer] = {
            request: found
            for request, found in zip(requests, self.find_all(requests), strict=True)
            if found is not None
        }
        missing = [request for request in dict.fromkeys(requests) if request not in answers]
        done = 0
        groups = _by_model(missing)
        for model in groups:
            self._pool.check_fits(model)
        for model, asked in groups.items():
            with self._pool.operator(model) as operator, self._claims.session() as claimant:
                for batch in self._claimed(claimant, asked, operator.batch_size):
                    share = _share(progress, done, len(batch), len(missing))
                    answers.update(zip(batch, self._answer_batch(operator, batch, share), strict=True))
                    done += len(batch)
        progress(1.0)
        return [answers[request] for request in requests]

    def recompute(self, requests: Sequence[Request[Any]]) -> list[RecipeRecord | ItemError]:
        """Ask the models again though the answers may be known. The bytes are kept; what is recorded stays."""
        records: dict[Request[Any], RecipeRecord | ItemError] = {}
        for model, asked in _by_model(list(dict.fromkeys(requests))).items():
            with self._pool.operator(model) as operator:
                for batch in _batches(asked, operator.batch_size):
                    for request, result in zip(batch, self._ask(operator, batch, no_progress), strict=True):
                        failed = isinstance(result, ItemError)
                        records[request] = result if failed else self._record(request, result, None)
        return [records[request] for request in requests]

    def _claimed(
        self, claimant: ClaimSession, asked: Sequence[Request[Any]], size: int
    ) -> Iterator[list[Request[Any]]]:
        """The requests in batches that nobody else works on meanwhile; each is released when the next is asked for."""
        waiting = {request: f"{self._store.project}/{self._pool.recipe(request).key}" for request in asked}
        while waiting:
            batch: list[Request[Any]] = []
            for some in _batches(list(waiting), size):
                free = claimant.take([waiting[request] for request in some])
                batch += [request for request, is_free in zip(some, free, strict=True) if is_free]
                if len(batch) >= size:
                    break
            for start in range(0, len(batch), size):
                yield batch[start : start + size]
            claimant.release()
            taken = set(batch)
            waiting = {request: name for request, name in waiting.items() if request not in taken}
            if not batch:
                time.sleep(_LOOK_AGAIN_SECONDS)

    def _answer_batch(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> list[Answer]:
        """The answers of a claimed batch: whoever had claimed it before may have left some."""
        left = dict(zip(batch, self.find_all(batch), strict=True))
        missing = [request for request, answer in left.items() if answer is None]
        made = dict(zip(missing, self._run_batch(operator, missing, progress), strict=True)) if missing else {}
        return [answer if answer is not None else made[request] for request, answer in left.items()]

    def _run_batch(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> list[Answer]:
        started = time.perf_counter()
        results = self._ask(operator, batch, progress)
        seconds = round((time.perf_counter() - started) / len(batch), 4)
        with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as threads:
            return list(threads.map(partial(self._keep, seconds=seconds), batch, results))

    def _ask(self, operator: Operator[Any], batch: list[Request[Any]], progress: Progress) -> Sequence[Answer]:
        if not isinstance(operator, InPieces):
            return operator(batch, self._store, progress)
        shares = [_share(progress, number, 1, len(batch)) for number in range(len(batch))]
        return [operator.answer(one, self._store, share, self._once) for one, share in zip(batch, shares, strict=True)]

    def _once(self, part: Request[ResultT], work: Callable[[], ResultT], /) -> ResultT:
        """A piece of a claimed request: found, or made and kept at once."""
        found = self.find(part)
        if found is not None:
            return found
        started = time.perf_counter()
        made = work()
        seconds = round(time.perf_counter() - started, 4)
        return self._keep(part, made, seconds=seconds)  # pyright: ignore[reportReturnType]

    def _keep(self, request: Request[Any], result: Answer, *, seconds: float) -> Answer:
        if isinstance(result, ItemError):
            return result
        record = self._recipes.add(self._record(request, result, seconds))
        return request.result_type().model_validate(record.result)

    def _record(self, request: Request[Any], result: Result, seconds: float | None) -> RecipeRecord:
        return RecipeRecord(
            recipe=self._pool.recipe(request),
            result=result.model_dump(mode="json"),
            outputs=tuple(artifact.sha256 for artifact in result.artifacts()),
            seconds=seconds,
        )


def _by_model(requests: Sequence[Request[Any]]) -> dict[str, list[Request[Any]]]:
    groups: defaultdict[str, list[Request[Any]]] = defaultdict(list)
    for request in requests:
        groups[request.model].append(request)
    return groups


def _batches(requests: list[Request[Any]], size: int) -> Iterator[list[Request[Any]]]:
    for start in range(0, len(requests), size):
        yield requests[start : start + size]


def _share(progress: Progress, done: int, size: int, total: int) -> Callable[[float], None]:
    """Progress of one batch as progress of the whole."""
    return lambda fraction: progress((done + fraction * size) / total)
