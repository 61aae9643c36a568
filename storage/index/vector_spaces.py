"""Vector spaces of the search index: one pgvector table of embeddings per embedding model and weights."""

from typing import Any

from pgvector import Vector
from pgvector.psycopg.vector import VectorBinaryDumper
from psycopg import Connection, adapters, sql

from storage.errors import StorageError
from storage.index.database import lock_schema

SpaceVector = tuple[str, list[float]]
"""The name of a space, and a vector in it."""
_EXACT_ROWS = 20_000
"""Up to how many vectors a space is scanned, without an HNSW index."""


# `pgvector.psycopg.register_vector` asks the server for the id of the type on each connection, and fails as long as the
# extension is missing. In `%s::vector` the server infers the type itself.
adapters.register_dumper(Vector, VectorBinaryDumper)


def space_table(number: int) -> sql.Identifier:
    """The table of the vectors of a space, by its id."""
    return sql.Identifier(f"space_{number}")


def ensure_space(connection: Connection[Any], name: str, dimension: int) -> sql.Identifier:
    """The table of a space, created when it is missing. Raises StorageError when its dimension is another."""
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
            ).format(space_table(row[0]), sql.Literal(dimension))
        )
    if row[1] != dimension:
        raise StorageError(f"The space {name} has {row[1]} dimensions, and a vector with {dimension} came.")
    return space_table(row[0])


def put_vector(connection: Connection[Any], table: sql.Identifier, part: int, vector: list[float]) -> None:
    """Insert or replace the vector of a part."""
    connection.execute(
        sql.SQL(
            "insert into {} (part, embedding) values (%s, %s::vector) "
            "on conflict (part) do update set embedding = excluded.embedding"
        ).format(table),
        [part, Vector(vector)],
    )


def nearest_parts(
    connection: Connection[Any], scope: list[Any], vector: SpaceVector | None, limit: int
) -> dict[int, float]:
    """The cosine similarity of the nearest parts by their ids, nearest first; equally near ones by artifact.

    `scope` are the project, kind, labels, and the earliest and latest creation time. Empty for an unknown space.
    """
    space = connection.execute("select id from spaces where name = %s", [vector[0]]).fetchone() if vector else None
    if vector is None or space is None:
        return {}
    query = sql.SQL(
        "select p.id, v.embedding <=> %s::vector, p.artifact, p.ordinal from {} v join parts p on p.id = v.part "
        "where p.project = %s and p.kind = %s and p.labels @> %s::text[] "
        "and p.created >= coalesce(%s::timestamptz, '-infinity') "
        "and p.created < coalesce(%s::timestamptz, 'infinity') "
        "order by v.embedding <=> %s::vector limit %s"
    ).format(space_table(space[0]))
    wanted = Vector(vector[1])
    found = connection.execute(query, [wanted, *scope, wanted, limit]).fetchall()
    return {row[0]: 1 - row[1] for row in sorted(found, key=lambda row: row[1:])}


def create_hnsw_indexes(connection: Connection[Any]) -> None:
    """Create the missing HNSW index of every space that is too large for an exact scan."""
    for (number,) in connection.execute("select id from spaces").fetchall():
        count = connection.execute(sql.SQL("select count(*) from {}").format(space_table(number))).fetchone()
        if count and count[0] > _EXACT_ROWS:
            connection.execute(
                sql.SQL("create index if not exists {} on {} using hnsw (embedding vector_cosine_ops)").format(
                    sql.Identifier(f"space_{number}_hnsw"), space_table(number)
                )
            )
