"""The search index in Postgres with pgvector: a cache that can be dropped, and made again from the bucket.

One row per findable part (a picture, a spoken segment, a passage of text). Its vectors stand in spaces, one table per
embedding model and weights. Per kind, ranks by meaning and ranks by words are fused; across kinds, fused scores merge.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection, sql
from pydantic import BaseModel, ConfigDict

from storage.errors import StorageError
from storage.index.database import Database, lock_schema
from storage.index.rank_fusion import fuse, z_scores

PartKind = Literal["image", "speech", "text"]
SpaceVector = tuple[str, list[float]]
"""The name of a space, and a vector in it."""
_DEPTH = 200
_EXACT_ROWS = 20_000

_SCHEMA: LiteralString = """
create extension if not exists vector;
create table if not exists parts (
    id bigint generated always as identity primary key,
    project text not null, kind text not null, artifact text not null, ordinal int not null,
    name text not null, body text not null, start_seconds float8, end_seconds float8,
    labels text[] not null, created timestamptz not null,
    words tsvector generated always as (to_tsvector('simple', name || ' ' || body)) stored,
    unique (project, artifact, kind, ordinal));
create index if not exists parts_words on parts using gin (words);
create index if not exists parts_place on parts (project, kind);
create table if not exists spaces (
    id int generated always as identity primary key, name text not null unique, dimension int not null);
"""


class Entry(BaseModel):
    """A findable part of an artifact; `vectors` by the name of their space, L2-normalised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    kind: PartKind
    artifact: str
    ordinal: int
    name: str
    text: str
    start_seconds: float | None
    end_seconds: float | None
    labels: tuple[str, ...]
    created: datetime
    vectors: dict[str, list[float]]


_FIELDS = ("kind", "artifact", "ordinal", "name", "text", "start_seconds", "end_seconds", "labels", "created")


class Hit(BaseModel):
    """A part that was found; a higher score is better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    kind: PartKind
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None


class SearchIndex:
    """The findable parts of every project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def connect(cls, dsn: str) -> "SearchIndex":
        """An index in the database at `dsn`; connects at the first call."""
        return cls(Database.connect(dsn))

    def close(self) -> None:
        self._database.close()

    def ensure_schema(self) -> None:
        """Make what is missing; safe from several processes at once."""
        self._database.make(_SCHEMA)

    def drop(self) -> None:
        """Forget everything, in all projects."""
        with self._database.connection() as connection:
            lock_schema(connection)
            spaces = connection.execute("select to_regclass('spaces')").fetchone()
            if spaces and spaces[0]:
                for (number,) in connection.execute("select id from spaces").fetchall():
                    connection.execute(sql.SQL("drop table if exists {}").format(_table(number)))
            connection.execute("drop table if exists parts, spaces cascade")
            connection.execute(_SCHEMA)

    def add(self, entries: Sequence[Entry]) -> None:
        """Add or replace parts, all or none."""
        if not entries:
            return
        with self._database.connection() as connection:
            tables = {
                name: self._space(connection, name, len(vector))
                for entry in entries
                for name, vector in entry.vectors.items()
            }
            # One order for everybody: two writers of the same parts wait for each other instead of dying.
            for entry in sorted(entries, key=lambda e: (e.project, e.artifact, e.kind, e.ordinal)):
                part = _upsert(connection, entry)
                for name, vector in entry.vectors.items():
                    connection.execute(
                        sql.SQL(
                            "insert into {} (part, embedding) values (%s, %s::vector) "
                            "on conflict (part) do update set embedding = excluded.embedding"
                        ).format(tables[name]),
                        [part, str(vector)],
                    )

    def set_labels(self, project: str, artifact: str, labels: Sequence[str]) -> None:
        """Give every part of an artifact these labels, and no others."""
        with self._database.connection() as connection:
            connection.execute(
                "update parts set labels = %s where project = %s and artifact = %s", [list(labels), project, artifact]
            )

    def remove(self, project: str, artifacts: Sequence[str]) -> None:
        """Forget every part of these artifacts."""
        with self._database.connection() as connection:
            connection.execute(
                "delete from parts where project = %s and artifact = any(%s)", [project, list(artifacts)]
            )

    def trim(self, project: str, parts: Mapping[str, int]) -> None:
        """Forget the parts of artifacts that are more than so many, by artifact."""
        with self._database.connection() as connection:
            connection.execute(
                "delete from parts p using unnest(%s::text[], %s::int[]) as kept (artifact, number) "
                "where p.project = %s and p.artifact = kept.artifact and p.ordinal >= kept.number",
                [list(parts), list(parts.values()), project],
            )

    def artifacts(self, project: str) -> set[str]:
        """The artifacts that have parts."""
        with self._database.connection() as connection:
            rows = connection.execute("select distinct artifact from parts where project = %s", [project])
            return {row[0] for row in rows.fetchall()}

    def parts(self, project: str) -> dict[str, list[Entry]]:
        """The parts of each artifact in order; of their vectors the names of the spaces alone."""
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        with self._database.connection() as connection:
            spaces: defaultdict[int, dict[str, list[float]]] = defaultdict(dict)
            for number, name in connection.execute("select id, name from spaces").fetchall():
                for (part,) in connection.execute(sql.SQL("select part from {}").format(_table(number))):
                    spaces[part][name] = []
            rows = connection.execute(
                "select id, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created "
                "from parts where project = %s order by artifact, kind, ordinal",
                [project],
            )
            for part, *values in rows:
                entry = dict(zip(_FIELDS, values, strict=True))
                found[values[1]].append(Entry(project=project, vectors=spaces[part], **entry))
        return found

    def first_texts(self, project: str, artifacts: Sequence[str]) -> dict[str, str]:
        """The first words of artifacts that have some, by artifact."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "select artifact, body from parts where project = %s and artifact = any(%s) and ordinal = 0",
                [project, list(artifacts)],
            )
            return dict(rows.fetchall())

    def counts(self, project: str) -> dict[str, int]:
        """How many parts of each kind a project has."""
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
        """The best parts by meaning (`vectors`, per kind) and by words (all of them must occur), best first.

        Of those with all of the labels, made from `since` on and before `until`; the first `offset` are left out.

        Of parts with equal ranks in different kinds, the one that stands out more from its kind goes first.
        """
        hits: list[tuple[float, float, str, int, Hit]] = []
        with self._database.connection() as connection:
            connection.execute("set local hnsw.iterative_scan = strict_order")
            connection.execute("set local hnsw.ef_search = 200")
            for kind in kinds:
                scope = [project, kind, list(labels), since, until]
                nearness = self._by_meaning(connection, scope, vectors.get(kind))
                scores = fuse([list(nearness), _by_words(connection, scope, words)])
                hits += _hits(connection, scores, z_scores(nearness))
        hits.sort(key=lambda row: (-row[0], -row[1], row[2], row[3]))
        return [hit for *_, hit in hits[offset : offset + limit]]

    def _by_meaning(
        self, connection: Connection[Any], scope: list[Any], vector: SpaceVector | None
    ) -> dict[int, float]:
        """The cosine of each part, nearest first; equally near ones by artifact."""
        space = connection.execute("select id from spaces where name = %s", [vector[0]]).fetchone() if vector else None
        if vector is None or space is None:
            return {}
        query = sql.SQL(
            "select p.id, v.embedding <=> %s::vector, p.artifact, p.ordinal from {} v join parts p on p.id = v.part "
            "where p.project = %s and p.kind = %s and p.labels @> %s::text[] "
            "and p.created >= coalesce(%s::timestamptz, '-infinity') "
            "and p.created < coalesce(%s::timestamptz, 'infinity') "
            "order by v.embedding <=> %s::vector limit %s"
        ).format(_table(space[0]))
        found = connection.execute(query, [str(vector[1]), *scope, str(vector[1]), _DEPTH]).fetchall()
        return {row[0]: 1 - row[1] for row in sorted(found, key=lambda row: row[1:])}

    def _space(self, connection: Connection[Any], name: str, dimension: int) -> sql.Identifier:
        """The table of a space, made when it is new; an HNSW index once it is too big to scan."""
        row = connection.execute("select id, dimension from spaces where name = %s", [name]).fetchone()
        if row is None:
            lock_schema(connection)
            connection.execute(
                "insert into spaces (name, dimension) values (%s, %s) on conflict (name) do nothing", [name, dimension]
            )
            row = connection.execute("select id, dimension from spaces where name = %s", [name]).fetchone()
            assert row is not None
            connection.execute(
                sql.SQL(
                    "create table if not exists {} "
                    "(part bigint primary key references parts (id) on delete cascade, embedding vector({}))"
                ).format(_table(row[0]), sql.Literal(dimension))
            )
        if row[1] != dimension:
            raise StorageError(f"The space {name} has {row[1]} dimensions, and a vector with {dimension} came.")
        return _table(row[0])

    def create_vector_indexes(self) -> None:
        """Give every space that is too big to scan an HNSW index."""
        with self._database.connection() as connection:
            for (number,) in connection.execute("select id from spaces").fetchall():
                count = connection.execute(sql.SQL("select count(*) from {}").format(_table(number))).fetchone()
                if count and count[0] > _EXACT_ROWS:
                    connection.execute(
                        sql.SQL("create index if not exists {} on {} using hnsw (embedding vector_cosine_ops)").format(
                            sql.Identifier(f"space_{number}_hnsw"), _table(number)
                        )
                    )


def _upsert(connection: Connection[Any], entry: Entry) -> int:
    row = connection.execute(
        "insert into parts (project, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (project, artifact, kind, ordinal) do update set "
        "name = excluded.name, body = excluded.body, start_seconds = excluded.start_seconds, "
        "end_seconds = excluded.end_seconds, labels = excluded.labels, created = excluded.created returning id",
        [
            entry.project,
            entry.kind,
            entry.artifact,
            entry.ordinal,
            entry.name.replace("\0", " "),
            entry.text.replace("\0", " "),
            entry.start_seconds,
            entry.end_seconds,
            list(entry.labels),
            entry.created,
        ],
    ).fetchone()
    assert row is not None
    return row[0]


def _by_words(connection: Connection[Any], scope: list[Any], words: str | None) -> list[int]:
    """Parts that have all of the words, or the words as they stand where a language writes no spaces."""
    if not words:
        return []
    found = connection.execute(
        "select id from parts, plainto_tsquery('simple', %s) q where project = %s and kind = %s "
        "and labels @> %s::text[] and created >= coalesce(%s::timestamptz, '-infinity') "
        "and created < coalesce(%s::timestamptz, 'infinity') "
        "and (words @@ q or (length(%s) >= 2 and %s ~ '[^\\x01-\\u024F]' "
        "and position(lower(%s) in lower(body)) > 0)) "
        "order by ts_rank_cd(words, q) desc, artifact, ordinal limit %s",
        [words, *scope, words, words, words, _DEPTH],
    )
    return [row[0] for row in found.fetchall()]


def _hits(
    connection: Connection[Any], scores: dict[int, float], standing_out: dict[int, float]
) -> list[tuple[float, float, str, int, Hit]]:
    rows = connection.execute(
        "select id, artifact, name, kind, body, start_seconds, end_seconds, ordinal from parts where id = any(%s)",
        [list(scores)],
    ).fetchall()
    return [
        (
            scores[part],
            standing_out.get(part, 0.0),
            artifact,
            ordinal,
            Hit(
                artifact=artifact,
                name=name,
                kind=kind,
                score=round(scores[part], 6),
                text=body,
                start_seconds=start,
                end_seconds=end,
            ),
        )
        for part, artifact, name, kind, body, start, end, ordinal in rows
    ]


def _table(number: int) -> sql.Identifier:
    return sql.Identifier(f"space_{number}")
