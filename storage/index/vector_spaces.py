"""Vector spaces: for each space and kind of part, one pgvector table, so that no index scan meets another kind.

The tables repeat what searches filter by, so that a filter needs no join. A space is named by everything that decides
a vector. `serving` says which space answers for a kind in a project: the one of its first vectors, until `serve` moves
it to another one that is complete.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from psycopg import Connection, adapters, sql
from psycopg.types.numeric import Int8

from storage.errors import StorageError
from storage.index.database import lock_schema
from storage.index.parts import PART_KINDS, Entry, PartKind

EXACT_ROWS = 20_000
"""Up to how many vectors of a kind are scanned, without an HNSW index."""

# `pgvector.psycopg.register_vector` asks the server for the id of the type on each connection, and fails as long as the
# extension is missing. In `%s::halfvec` the server infers the type itself.
adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)


def space_table(number: int, kind: PartKind) -> sql.Identifier:
    """The table of the vectors of one kind in a space, by its id."""
    return sql.Identifier(f"space_{number}_{kind}")


def create_space_tables(connection: Connection[Any], number: int, dimension: int) -> None:
    """Create the tables of a space."""
    for kind in PART_KINDS:
        connection.execute(
            sql.SQL(
                "create table if not exists {table} (part bigint primary key references parts (id) on delete cascade, "
                "project text not null, artifact text not null, artifact_kind text not null, labels text[] not null, "
                "created timestamptz not null, made timestamptz not null, embedding halfvec({dimension}) not null); "
                "alter table {table} alter column embedding set storage plain; "
                "create index on {table} (project, created); create index on {table} using gin (labels)"
            ).format(table=space_table(number, kind), dimension=sql.Literal(dimension))
        )


def drop_space_tables(connection: Connection[Any], number: int) -> None:
    """Drop the tables of a space, in the form of any release."""
    for kind in PART_KINDS:
        connection.execute(sql.SQL("drop table if exists {}").format(space_table(number, kind)))
    connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(f"space_{number}")))


def _ensure_space(connection: Connection[Any], name: str, dimension: int) -> int:
    """The id of a space, created when it is missing. Raises StorageError when its dimension is another."""
    row = connection.execute("select id, dimension from spaces where name = %s", [name]).fetchone()
    if row is None:
        lock_schema(connection)
        inserted = connection.execute(
            "insert into spaces (name, dimension) values (%s, %s) on conflict (name) do nothing returning id",
            [name, dimension],
        ).fetchone()
        if inserted:
            create_space_tables(connection, inserted[0], dimension)
        row = connection.execute("select id, dimension from spaces where name = %s", [name]).fetchone()
        assert row is not None
    if row[1] != dimension:
        raise StorageError(f"The space {name} has {row[1]} dimensions, and a vector with {dimension} came.")
    return row[0]


def ensure_spaces(connection: Connection[Any], entries: Sequence[Entry]) -> dict[str, int]:
    """Create the missing spaces of the vectors of entries; returns the ids of all of them by name. Raises StorageError.

    Call it before a transaction writes to `parts`. Creating the tables locks `parts` while the schema lock is held: a
    second writer that held rows of `parts` and waited for the schema lock would deadlock with this one.
    """
    dimensions: dict[str, set[int]] = defaultdict(set)
    for entry in entries:
        for space, vector in entry.vectors.items():
            dimensions[space].add(len(vector))
    for space, sizes in dimensions.items():
        if len(sizes) > 1:
            raise StorageError(f"The space {space} would get vectors of {sorted(sizes)} dimensions.")
    return {space: _ensure_space(connection, space, *sizes) for space, sizes in sorted(dimensions.items())}


def write_vectors(
    connection: Connection[Any],
    entries: Sequence[Entry],
    parts: Mapping[tuple[str, str, str, int], int],
    spaces: Mapping[str, int],
) -> None:
    """Insert or replace the vectors of entries, given the ids of their parts and spaces.

    The first vectors of a project and kind decide the space that answers.
    """
    groups: defaultdict[tuple[str, PartKind], list[tuple[int, list[float]]]] = defaultdict(list)
    served: set[tuple[str, PartKind, str]] = set()
    for entry in entries:
        for space, vector in entry.vectors.items():
            groups[space, entry.kind].append((parts[entry.key], vector))
            served.add((entry.project, entry.kind, space))
    for (space, kind), rows in sorted(groups.items(), key=lambda group: group[0]):
        _copy_vectors(connection, space_table(spaces[space], kind), rows)
    for project, kind, space in sorted(served):
        connection.execute(
            "insert into serving (project, kind, space) values (%s, %s, %s) on conflict do nothing",
            [project, kind, spaces[space]],
        )


def _copy_vectors(connection: Connection[Any], table: sql.Identifier, rows: Iterable[tuple[int, list[float]]]) -> None:
    connection.execute(
        "create temporary table if not exists incoming_vectors (part bigint, embedding halfvec) on commit delete rows"
    )
    connection.execute("delete from incoming_vectors")
    with connection.cursor().copy("copy incoming_vectors (part, embedding) from stdin (format binary)") as copy:
        for part, vector in rows:
            copy.write_row((Int8(part), HalfVector(vector)))
    connection.execute(
        sql.SQL(
            "insert into {} (part, project, artifact, artifact_kind, labels, created, made, embedding) "
            "select p.id, p.project, p.artifact, p.artifact_kind, p.labels, p.created, p.made, i.embedding "
            "from incoming_vectors i join parts p on p.id = i.part order by p.id "
            "on conflict (part) do update set artifact_kind = excluded.artifact_kind, labels = excluded.labels, "
            "created = excluded.created, made = excluded.made, embedding = excluded.embedding"
        ).format(table)
    )


def all_tables(connection: Connection[Any]) -> list[tuple[str, PartKind, sql.Identifier]]:
    """Every table of vectors, with the name of its space and its kind."""
    rows = connection.execute("select id, name from spaces order by id").fetchall()
    return [(name, kind, space_table(number, kind)) for number, name in rows for kind in PART_KINDS]


def build_hnsw_indexes(connection: Connection[Any]) -> None:
    """Build the HNSW index of each table with more than EXACT_ROWS vectors that has none.

    Outside transactions: readers and writers go on meanwhile. An index whose building was interrupted is built again.
    """
    numbers = [number for (number,) in connection.execute("select id from spaces").fetchall()]
    for number, kind in product(numbers, PART_KINDS):
        name = f"space_{number}_{kind}_hnsw"
        if _has_index(connection, name) or not _has_more_than(connection, space_table(number, kind), EXACT_ROWS):
            continue
        index = sql.Identifier(name)
        connection.execute(sql.SQL("drop index concurrently if exists {}").format(index))
        connection.execute(
            sql.SQL("create index concurrently {} on {} using hnsw (embedding halfvec_cosine_ops)").format(
                index, space_table(number, kind)
            )
        )


def _has_index(connection: Connection[Any], name: str) -> bool:
    valid = "select i.indisvalid from pg_index i where i.indexrelid = to_regclass(%s)"
    row = connection.execute(valid, [name]).fetchone()
    return bool(row and row[0])


def _has_more_than(connection: Connection[Any], table: sql.Identifier, rows: int) -> bool:
    found = connection.execute(sql.SQL("select 1 from {} offset %s limit 1").format(table), [rows]).fetchone()
    return found is not None
