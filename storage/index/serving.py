"""Which vector space answers for each kind of part in a project, and how the next one takes over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection, sql

from storage.index.parts import PartKind
from storage.index.vector_spaces import drop_space_tables, space_table
from storage.labels import TRASH

_MISSING = "from parts p where p.project = %s and p.kind = %s and not exists (select 1 from {} v where v.part = p.id)"


def serving_spaces(connection: Connection[Any], project: str) -> dict[PartKind, str]:
    """The name of the space that answers, by kind; a kind without parts is missing."""
    rows = connection.execute(
        "select v.kind, s.name from serving v join spaces s on s.id = v.space where v.project = %s", [project]
    )
    return dict(rows.fetchall())


def artifacts_without_vectors(
    connection: Connection[Any], project: str, kind: PartKind, space: str, limit: int
) -> list[str]:
    """Artifacts with parts of a kind that have no vector in a space, which need not exist."""
    number = _number(connection, space)
    if number is None:
        rows = connection.execute(
            "select distinct artifact from parts where project = %s and kind = %s limit %s", [project, kind, limit]
        )
    else:
        statement = sql.SQL(f"select distinct p.artifact {_MISSING} limit %s")  # pyright: ignore[reportArgumentType]
        rows = connection.execute(statement.format(space_table(number, kind)), [project, kind, limit])
    return [row[0] for row in rows.fetchall()]


def serve(connection: Connection[Any], project: str, kind: PartKind, space: str) -> None:
    """Let a space answer from now on."""
    connection.execute(
        "insert into serving (project, kind, space) select %s, %s, id from spaces where name = %s "
        "on conflict (project, kind) do update set space = excluded.space",
        [project, kind, space],
    )


def drop_unused(connection: Connection[Any], wanted: Sequence[str]) -> list[str]:
    """Drop the spaces that answer for no project and are not among those wanted; returns their names."""
    rows = connection.execute(
        "delete from spaces s where s.name <> all(%s) and not exists (select 1 from serving v where v.space = s.id) "
        "returning id, name",
        [list(wanted)],
    ).fetchall()
    for number, _ in rows:
        drop_space_tables(connection, number)
    return [name for _, name in rows]


def sample(connection: Connection[Any], space: str, kind: PartKind, limit: int) -> list[list[float]]:
    """Some vectors of a kind in a space, from all over its table; none of an unknown space."""
    number = _number(connection, space)
    if number is None:
        return []
    rows = connection.execute(
        sql.SQL("select embedding::real[] from {} order by hashint8(part) limit %s").format(space_table(number, kind)),
        [limit],
    )
    return [row[0] for row in rows.fetchall()]


def artifact_vectors(
    connection: Connection[Any], project: str, artifacts: Sequence[str], without: Sequence[str]
) -> dict[PartKind, dict[str, list[float]]]:
    """See SearchIndex.artifact_vectors."""
    found: dict[PartKind, dict[str, list[float]]] = {}
    for kind, space in serving_spaces(connection, project).items():
        number = _number(connection, space)
        if number is None:
            continue
        rows = connection.execute(
            sql.SQL(
                "select artifact, avg(embedding)::real[] from {} where project = %s and artifact = any(%s) "
                "and artifact_kind = %s and not labels && %s::text[] group by artifact"
            ).format(space_table(number, kind)),
            [project, list(artifacts), kind, [TRASH, *without]],
        ).fetchall()
        if rows:
            found[kind] = dict(rows)
    return found


@dataclass(frozen=True)
class Neighbours:
    """Pairs of artifacts with near vectors, and the id of the last part that was looked at, None after the last."""

    pairs: list[tuple[str, str]]
    last: int | None


def neighbours(
    connection: Connection[Any],
    project: str,
    kind: PartKind,
    least_cosine: float,
    most: int,
    after: int,
    limit: int,
) -> Neighbours:
    """See SearchIndex.neighbours. Artifacts in the trash are left out."""
    space = serving_spaces(connection, project).get(kind)
    number = _number(connection, space) if space else None
    if number is None:
        return Neighbours([], None)
    rows = connection.execute(
        sql.SQL(_NEIGHBOURS).format(table=space_table(number, kind)),
        {
            "project": project,
            "kind": kind,
            "trash": TRASH,
            "far": 1 - least_cosine,
            "most": most + 1,
            "after": after,
            "limit": limit,
        },
    ).fetchall()
    pairs = [(artifact, near) for _, artifact, near in rows if near is not None and near != artifact]
    return Neighbours(pairs, max((row[0] for row in rows), default=None))


_NEIGHBOURS: LiteralString = """
with page as (
    select part, artifact, embedding from {table}
    where project = %(project)s and artifact_kind = %(kind)s and part > %(after)s and %(trash)s <> all(labels)
    order by part limit %(limit)s)
select page.part, page.artifact, near.artifact from page left join lateral (
    select v.artifact from (
        select o.artifact, o.embedding <=> page.embedding as distance from {table} o
        where o.project = %(project)s and o.artifact_kind = %(kind)s and %(trash)s <> all(o.labels)
        order by o.embedding <=> page.embedding limit %(most)s) v
    where v.distance <= %(far)s) near on true
"""


def _number(connection: Connection[Any], space: str) -> int | None:
    row = connection.execute("select id from spaces where name = %s", [space]).fetchone()
    return row[0] if row else None
