"""Change embedding models while searches go on: fill the spaces of the new models, then let them answer.

Until a space has the vectors of all parts of a kind, the one of before answers. It also goes on as long as a new model
cannot be used. The spaces that are not used any more are dropped at the end.
"""

import asyncio
from collections.abc import Iterator, Set
from itertools import islice

from flows.index.query_vectors import default_models
from flows.library.indexing import IndexFailures, index_artifacts
from flows.running.context import RunContext
from flows.running.platform import Space
from modalities.errors import ModelFault
from storage.errors import RecordCorrupt
from storage.index.parts import PART_KINDS, PartKind
from storage.records import ArtifactRecord

_CHUNK = 100
_MAX_FAILURES_NAMED = 20
_ALL = 2**31 - 1


async def fill_spaces(context: RunContext, most: int = 2000) -> IndexFailures:
    """Embed at most `most` artifacts whose parts the profile's models have not embedded; return why some were not.

    A kind is answered by the new space as soon as nothing is left that could be embedded, and nothing waits for a
    model.
    """
    failures = IndexFailures()
    for kind, name in (await asyncio.to_thread(pending_kinds, context.space)).items():
        before = len(failures)
        while len(failures) - before < _MAX_FAILURES_NAMED and most > 0:
            wanted = await asyncio.to_thread(_unfilled, context.space, kind, name, failures)
            if not wanted:
                await asyncio.to_thread(serve_if_complete, context.space, kind, name, failures.waiting)
                break
            failures.add_all(await index_artifacts(context, wanted))
            most -= len(wanted)
    return failures


def serve_if_complete(space: Space, kind: PartKind, name: str, waiting: Set[str]) -> None:
    """Let a space answer for a kind, unless it lacks vectors of artifacts that wait for a model."""
    if waiting and waiting & set(space.index.unfilled(space.project, kind, name, _ALL)):
        return
    space.index.serve(space.project, kind, name)


def tidy_index(space: Space) -> list[str]:
    """Build the HNSW indexes of tables that have become large, and drop the spaces that are not used; return these.

    No space is dropped while a model of the profile has no weights, since the name of its space is unknown then.
    """
    space.index.create_vector_indexes()
    names = [space.platform.find_vector_space(model) for model in default_models(space).values()]
    wanted = {name for name in names if name}
    return [] if None in names else space.index.drop_unused_spaces(sorted(wanted))


def pending_kinds(space: Space) -> dict[PartKind, str]:
    """The kinds of parts that another space answers than that of the profile's model, with the name of that.

    Kinds whose model has no weights are left out: see `unusable_models`.
    """
    serving, models = space.index.serving(space.project), default_models(space)
    pending: dict[PartKind, str] = {}
    for kind in PART_KINDS:
        name = space.platform.find_vector_space(models[kind])
        if name and serving.get(kind, name) != name:
            pending[kind] = name
    return pending


def unusable_models(space: Space) -> dict[str, str]:
    """The embedding models of the profile whose weights are missing, and why. The spaces of before answer for them."""
    faults: dict[str, str] = {}
    for model in dict.fromkeys(default_models(space).values()):
        try:
            space.platform.vector_space(model)
        except ModelFault as fault:
            faults[model] = str(fault)
    return faults


def _unfilled(space: Space, kind: PartKind, name: str, failures: IndexFailures) -> list[ArtifactRecord]:
    """The next records with parts that have no vector in a space, without those that failed."""
    found = space.index.unfilled(space.project, kind, name, _CHUNK + len(failures))
    return list(islice(_records(space, found, failures), _CHUNK))


def _records(space: Space, artifacts: list[str], failures: IndexFailures) -> Iterator[ArtifactRecord]:
    for artifact in artifacts:
        if artifact in failures:
            continue
        try:
            record = space.records.find(artifact)
        except RecordCorrupt as error:
            failures.add(artifact, error)
            continue
        if record is not None:
            yield record
