"""Change embedding models while searches go on: fill the spaces of the new models, then let them answer.

Until a space has the vectors of all parts of a kind, the one of before answers. The spaces that nobody wants any more
are dropped at the end.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice

from flows.index.query_vectors import default_models
from flows.library.indexing import index_artifacts
from flows.running.context import RunContext
from flows.running.platform import Space
from storage.index.parts import PART_KINDS, PartKind
from storage.records import ArtifactRecord

_CHUNK = 100
_MAX_FAILURES_NAMED = 20


async def fill_spaces(context: RunContext, most: int = 2000) -> dict[str, str]:
    """Embed at most `most` artifacts whose parts the profile's models have not embedded; return why some were not.

    A kind is answered by the new space as soon as nothing is left that could be embedded.
    """
    failures: dict[str, str] = {}
    pending = await asyncio.to_thread(pending_kinds, context.space)
    for kind, name in pending.items():
        while len(failures) < _MAX_FAILURES_NAMED and most > 0:
            wanted = await asyncio.to_thread(_unfilled, context.space, kind, name, set(failures))
            if not wanted:
                await asyncio.to_thread(context.space.index.serve, context.space.project, kind, name)
                break
            failures |= await index_artifacts(context, wanted)
            most -= len(wanted)
    return failures


def tidy_index(space: Space) -> list[str]:
    """Build the HNSW indexes of tables that have become large, and drop the spaces that nobody wants; return these."""
    space.index.create_vector_indexes()
    wanted = {space.platform.vector_space(model) for model in default_models(space).values()}
    return space.index.drop_unused_spaces(sorted(wanted))


def pending_kinds(space: Space) -> dict[PartKind, str]:
    """The kinds of parts that another space answers than that of the profile's model, with the name of that."""
    serving, models = space.index.serving(space.project), default_models(space)
    names = {kind: space.platform.vector_space(models[kind]) for kind in PART_KINDS}
    return {kind: names[kind] for kind in PART_KINDS if serving.get(kind, names[kind]) != names[kind]}


def _unfilled(space: Space, kind: PartKind, name: str, failed: set[str]) -> list[ArtifactRecord]:
    """The next records with parts that have no vector in a space, without those that failed."""
    found = space.index.unfilled(space.project, kind, name, _CHUNK + len(failed))
    return list(islice(_records(space, found, failed), _CHUNK))


def _records(space: Space, artifacts: list[str], failed: set[str]) -> Iterator[ArtifactRecord]:
    for artifact in artifacts:
        record = space.records.find(artifact) if artifact not in failed else None
        if record is not None:
            yield record
