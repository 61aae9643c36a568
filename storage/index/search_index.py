"""The search index in Postgres with pgvector: a cache that can be dropped and rebuilt from the bucket.

It has one row per searchable part (a picture, a spoken segment, a passage of text) and its vectors in the tables of
their spaces. In each kind, the ranks by vector similarity and by full text are fused; then the kinds are merged by
their fused scores.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import sql

from storage.index.database import Database, lock_schema
from storage.index.parts import PART_KINDS, Entry, Hit, PartKind, full_text_matches, hits_of_parts, upsert_part
from storage.index.rank_fusion import fuse, z_scores
from storage.index.vector_spaces import (
    SpaceVector,
    create_hnsw_indexes,
    ensure_space,
    nearest_parts,
    put_vector,
    space_table,
)

_DEPTH = 200
"""How many parts of each kind are ranked, by vectors and by words each."""

_SCHEMA: LiteralString = """
create extension if not exists vector;
create table if not exists parts (
    id bigint generated always as identity primary key,
    project text not null, kind text not null, artifact text not null, ordinal int not null,
    name text not null, body text not null, start_seconds float8, end_seconds float8,
    labels text[] not null, created timestamptz not null,
    words tsvector generated always as (to_tsvector('simple', name || ' ' || body)) stored,
    unique (project, artifact, kind, ordinal));
alter table parts add column if not exists place text not null default '';
create index if not exists parts_words on parts using gin (words);
create index if not exists parts_place on parts (project, kind);
create table if not exists spaces (
    id int generated always as identity primary key, name text not null unique, dimension int not null);
"""


_FIELDS = ("kind", "artifact", "ordinal", "name", "text", "start_seconds", "end_seconds", "labels", "created", "place")


class SearchIndex:
    """The searchable parts of every project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def connect(cls, dsn: str) -> "SearchIndex":
        """An index in the database at `dsn`; connects at the first call."""
        return cls(Database.connect(dsn))

    def close(self) -> None:
        self._database.close()

    def ensure_schema(self) -> None:
        """Create the missing tables; safe when several processes do it at once."""
        self._database.create_schema(_SCHEMA)

    def drop(self) -> None:
        """Delete everything, in all projects, and create empty tables."""
        with self._database.connection() as connection:
            lock_schema(connection)
            spaces = connection.execute("select to_regclass('spaces')").fetchone()
            if spaces and spaces[0]:
                for (number,) in connection.execute("select id from spaces").fetchall():
                    connection.execute(sql.SQL("drop table if exists {}").format(space_table(number)))
            connection.execute("drop table if exists parts, spaces cascade")
            connection.execute(_SCHEMA)

    def add(self, entries: Sequence[Entry]) -> None:
        """Insert or replace parts in one transaction."""
        if not entries:
            return
        with self._database.connection() as connection:
            tables = {
                name: ensure_space(connection, name, len(vector))
                for entry in entries
                for name, vector in entry.vectors.items()
            }
            # Sorted: two writers that lock the same rows in different orders would deadlock.
            for entry in sorted(entries, key=lambda e: (e.project, e.artifact, e.kind, e.ordinal)):
                part = upsert_part(connection, entry)
                for name, vector in entry.vectors.items():
                    put_vector(connection, tables[name], part, vector)

    def set_labels(self, project: str, artifact: str, labels: Sequence[str]) -> None:
        """Replace the labels of every part of an artifact."""
        with self._database.connection() as connection:
            connection.execute(
                "update parts set labels = %s where project = %s and artifact = %s", [list(labels), project, artifact]
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

    def parts(self, project: str) -> dict[str, list[Entry]]:
        """The parts of each artifact, in order; `vectors` has the names of their spaces with empty lists."""
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        with self._database.connection() as connection:
            spaces: defaultdict[int, dict[str, list[float]]] = defaultdict(dict)
            for number, name in connection.execute("select id, name from spaces").fetchall():
                for (part,) in connection.execute(sql.SQL("select part from {}").format(space_table(number))):
                    spaces[part][name] = []
            rows = connection.execute(
                "select id, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created, place "
                "from parts where project = %s order by artifact, kind, ordinal",
                [project],
            )
            for part, *values in rows:
                entry = dict(zip(_FIELDS, values, strict=True))
                found[values[1]].append(Entry(project=project, vectors=spaces[part], **entry))
        return found

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

    def search(
        self,
        project: str,
        *,
        vectors: dict[PartKind, SpaceVector],
        words: str | None,
        kinds: Sequence[PartKind],
        labels: Sequence[str],
        limit: int,
        offset: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Hit]:
        """The best parts by vector similarity (`vectors`, per kind) and full text (all `words` must occur), best first.

        Only parts with all of the labels, created from `since` on and before `until`; skips the first `offset`.
        Parts with equal ranks in different kinds are ordered by the z-score of their similarity within their kind.
        """
        hits: list[tuple[float, float, str, int, Hit]] = []
        with self._database.connection() as connection:
            connection.execute("set local hnsw.iterative_scan = strict_order")
            connection.execute("set local hnsw.ef_search = 200")
            for kind in kinds:
                scope = [project, kind, list(labels), since, until]
                similarities = nearest_parts(connection, scope, vectors.get(kind), _DEPTH)
                scores = fuse([list(similarities), full_text_matches(connection, scope, words, _DEPTH)])
                hits += hits_of_parts(connection, scores, z_scores(similarities))
        hits.sort(key=lambda row: (-row[0], -row[1], row[2], row[3]))
        return [hit for *_, hit in hits[offset : offset + limit]]

    def create_vector_indexes(self) -> None:
        """Create the HNSW index of every space that is too large for an exact scan."""
        with self._database.connection() as connection:
            create_hnsw_indexes(connection)
