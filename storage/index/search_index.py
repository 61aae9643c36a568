"""The search index in Postgres with pgvector: a cache that can be dropped and rebuilt from the bucket.

It has one row per searchable part (a picture, a spoken segment, a passage of text) and its vectors in the tables of
their spaces. A search gives every part a probability, from its vector and its words, and one hit to each artifact.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from storage.index import serving
from storage.index.database import Database, TableGone, lock_schema
from storage.index.entries import read_entries
from storage.index.parts import PART_KINDS, Entry, Hit, PartKind, hits_of_rows, write_parts
from storage.index.schema import MIGRATIONS
from storage.index.search_query import Filters, VectorQuery, search_statement
from storage.index.vector_spaces import (
    all_tables,
    build_hnsw_indexes,
    ensure_spaces,
    write_vectors,
)
from storage.index.word_query import WordQuery

_COMPONENT = "index"
_DEPTH, _DEEPEST = 200, 12_800
"""How many parts of each kind are ranked at first, and at most: parts of one artifact may fill the first."""
_SCAN = "set local hnsw.iterative_scan = strict_order; set local hnsw.ef_search = {}"
_MAX_EF_SEARCH = 1000
_COMPARED = 50_000
"""Parts of a project up to which all its vectors are compared. HNSW's graph has those of all projects: looking for the
nearest of one that is a tenth took 221 ms where comparing its 20,000 took 24 (benchmarks/search_scale.py)."""
_COUNTED_FOR_SECONDS = 60.0
NO_FILTERS = Filters()


@dataclass(frozen=True)
class Found:
    """A page of hits, and how many there are in all pages; `unknown_spaces` are those asked for that there are not."""

    hits: list[Hit]
    total: int
    unknown_spaces: frozenset[str] = frozenset()


class SearchIndex:
    """The searchable parts of every project."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._small: dict[str, tuple[float, bool]] = {}
        """By project, when its parts were counted, and whether they were few."""

    @classmethod
    def connect(cls, dsn: str) -> "SearchIndex":
        """An index in the database at `dsn`; connects at the first call."""
        return cls(Database.connect(dsn))

    def close(self) -> None:
        self._database.close()

    def ensure_schema(self) -> None:
        """Apply the migrations that are missing; safe when several processes do it at once."""
        self._database.migrate(_COMPONENT, MIGRATIONS)

    def add(self, entries: Sequence[Entry]) -> None:
        """Insert or replace parts in one transaction. Of several entries of one part, the last one counts."""
        unique = {entry.key: entry for entry in entries}
        if not unique:
            return
        ordered = [unique[key] for key in sorted(unique)]
        with self._database.connection() as connection:
            spaces = ensure_spaces(connection, ordered)
            write_vectors(connection, ordered, write_parts(connection, ordered), spaces)

    def set_labels(self, project: str, artifact: str, labels: Sequence[str]) -> None:
        """Replace the labels of every part of an artifact."""
        with self._database.connection() as connection:
            values = [list(labels), project, artifact]
            parts = connection.execute(
                "update parts set labels = %s where project = %s and artifact = %s returning id", values
            )
            ids = [row[0] for row in parts.fetchall()]
            for _, _, table in all_tables(connection) if ids else []:
                connection.execute(
                    sql.SQL("update {} set labels = %s where part = any(%s)").format(table), [list(labels), ids]
                )

    def remove(self, project: str, artifacts: Sequence[str]) -> None:
        """Delete every part of these artifacts."""
        with self._database.connection() as connection:
            connection.execute(
                "delete from parts where project = %s and artifact = any(%s)", [project, list(artifacts)]
            )

    def trim(self, project: str, parts: Mapping[str, Mapping[PartKind, int]]) -> None:
        """Delete the parts past the given number of parts of each kind, by artifact id; all of a kind without one."""
        kept = [(artifact, kind, counts.get(kind, 0)) for artifact, counts in parts.items() for kind in PART_KINDS]
        with self._database.connection() as connection:
            connection.execute(
                "delete from parts p using unnest(%s::text[], %s::text[], %s::int[]) as kept (artifact, kind, number) "
                "where p.project = %s and p.artifact = kept.artifact and p.kind = kept.kind "
                "and p.ordinal >= kept.number",
                [*(list(column) for column in zip(*kept, strict=True)), project] if kept else [[], [], [], project],
            )

    def artifacts(self, project: str) -> set[str]:
        """The ids of the artifacts that have parts."""
        with self._database.connection() as connection:
            rows = connection.execute("select distinct artifact from parts where project = %s", [project])
            return {row[0] for row in rows.fetchall()}

    def first_texts(self, project: str, artifacts: Sequence[str]) -> dict[str, str]:
        """The text of the first part of each artifact, by artifact id; artifacts without parts are missing."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "select artifact, body from parts where project = %s and artifact = any(%s) and ordinal = 0 "
                "order by body",
                [project, list(artifacts)],
            )
            return dict(rows.fetchall())

    def counts(self, project: str) -> dict[str, int]:
        """The number of parts of each kind in a project."""
        with self._database.connection() as connection:
            rows = connection.execute("select kind, count(*) from parts where project = %s group by kind", [project])
            return dict(rows.fetchall())

    def looked_through(self, project: str) -> dict[str, int]:
        """The number of artifacts of each kind that a search of a project without filters looks through."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "select artifact_kind, count(distinct artifact) from parts where project = %s group by 1", [project]
            )
            return dict(rows.fetchall())

    def parts(self, project: str) -> dict[str, list[Entry]]:
        """The parts of each artifact, in order; `vectors` has the names of their spaces with empty lists."""
        with self._database.connection() as connection:
            return read_entries(connection, project)

    def search(
        self,
        project: str,
        *,
        vectors: Mapping[PartKind, VectorQuery],
        words: WordQuery | None = None,
        filters: Filters = NO_FILTERS,
        cut_off: float = 0.0,
        limit: int = 10,
        offset: int = 0,
        exact: bool = False,
    ) -> Found:
        """The artifacts that are what was asked for with a probability of `cut_off` or more, the best first.

        A vector in an unknown space finds nothing. Skips the first `offset` hits; the total counts those of all pages,
        down to the depth of the ranking. `exact` scans all vectors, which takes its time.
        """
        depth, tries = _DEPTH, 2
        while True:
            try:
                with self._database.connection() as connection:
                    spaces = _known_spaces(connection.execute("select name, id from spaces").fetchall(), vectors)
                    statement, values = search_statement(
                        project, spaces, words, filters, depth=depth, cut_off=cut_off, limit=limit, offset=offset
                    )
                    connection.execute(sql.SQL(_SCAN).format(sql.Literal(min(depth, _MAX_EF_SEARCH))))
                    if exact or self._is_small(connection, project):
                        connection.execute("set local enable_indexscan = off")  # HNSW's is one
                    rows = connection.execute(statement, values).fetchall()
            except TableGone:  # the space was dropped after its name was read
                tries -= 1
                if not tries:
                    raise
                continue
            hits, total, may_be_deeper = hits_of_rows(rows, words.words if words else ())
            if len(hits) == limit or not may_be_deeper or depth >= _DEEPEST:
                unknown = {query.space for kind, query in vectors.items() if kind not in spaces}
                return Found(hits, total, frozenset(unknown))
            depth *= 8

    def _is_small(self, connection: Connection[Any], project: str) -> bool:
        """Whether a project has few parts, which is counted once a minute."""
        counted, is_small = self._small.get(project, (-_COUNTED_FOR_SECONDS, False))
        if time.monotonic() - counted >= _COUNTED_FOR_SECONDS:
            parts = "select count(*) from (select 1 from parts where project = %s limit %s) p"
            row = connection.execute(parts, [project, _COMPARED + 1]).fetchone()
            is_small = bool(row and row[0] <= _COMPARED)
            self._small[project] = (time.monotonic(), is_small)
        return is_small

    def neighbours(
        self, project: str, kind: PartKind, least_cosine: float, most: int, after: int, limit: int
    ) -> serving.Neighbours:
        """The pairs of artifacts of a kind with near vectors in the space that answers, by the ids of parts.

        Looks at the `limit` parts with ids above `after`, and at the `most` nearest of each that are as near as that.
        """
        with self._database.connection() as connection:
            connection.execute(sql.SQL(_SCAN).format(sql.Literal(max(most * 4, 40))))
            return serving.neighbours(connection, project, kind, least_cosine, most, after, limit)

    def artifact_vectors(
        self, project: str, artifacts: Sequence[str], without: Sequence[str] = ()
    ) -> dict[PartKind, dict[str, list[float]]]:
        """The mean vector of the parts of each artifact that are of its own kind, by that kind and by artifact.

        It is not normalized. What has one of the labels `without`, is in the trash or has no vector is missing.
        """
        with self._database.connection() as connection:
            return serving.artifact_vectors(connection, project, artifacts, without)

    def serving(self, project: str) -> dict[PartKind, str]:
        """The name of the vector space that answers, by kind of part."""
        with self._database.connection() as connection:
            return serving.serving_spaces(connection, project)

    def unfilled(self, project: str, kind: PartKind, space: str, limit: int) -> list[str]:
        """Artifacts whose parts of a kind have no vectors in a space."""
        with self._database.connection() as connection:
            return serving.artifacts_without_vectors(connection, project, kind, space, limit)

    def serve(self, project: str, kind: PartKind, space: str) -> None:
        """Let a space answer for a kind from now on."""
        with self._database.connection() as connection:
            serving.serve(connection, project, kind, space)

    def drop_unused_spaces(self, wanted: Sequence[str]) -> list[str]:
        """Drop the spaces that answer nothing and are not among those wanted; returns their names."""
        with self._database.connection() as connection:
            lock_schema(connection)
            return serving.drop_unused(connection, wanted)

    def sample(self, space: str, kind: PartKind, limit: int) -> list[list[float]]:
        """Some vectors of a kind in a space."""
        with self._database.connection() as connection:
            return serving.sample(connection, space, kind, limit)

    def create_vector_indexes(self) -> None:
        """Build the missing HNSW index of every table that is too large for an exact scan; writers go on meanwhile."""
        with self._database.autocommit() as connection:
            build_hnsw_indexes(connection)


def _known_spaces(
    rows: Sequence[tuple[Any, ...]], vectors: Mapping[PartKind, VectorQuery]
) -> dict[PartKind, tuple[int, VectorQuery]]:
    """The vector queries in spaces that there are, with the ids of these; `rows` are the names and ids of all."""
    numbers: dict[str, int] = dict(row[:2] for row in rows)
    return {kind: (numbers[query.space], query) for kind, query in vectors.items() if query.space in numbers}
