"""The library: the artifact records of every project as rows of a table, for fast filtered lists.

Like the search index it is a copy of what the bucket holds, and can be rebuilt from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from storage.errors import InvalidName
from storage.index.database import Database, Migration
from storage.labels import TRASH
from storage.records import ArtifactRecord, Kind

_SCHEMA: LiteralString = """
create table if not exists artifacts (
    project text not null, artifact text not null, name text not null, media_type text not null, kind text not null,
    size bigint not null, labels text[] not null, parents text[] not null, producer text, created timestamptz not null,
    properties jsonb not null default '{}',
    primary key (project, artifact));
alter table artifacts add column if not exists properties jsonb not null default '{}';
create index if not exists artifacts_newest on artifacts (project, created desc, artifact desc);
create index if not exists artifacts_parents on artifacts using gin (parents);
create index if not exists artifacts_labels on artifacts using gin (labels);
"""
_WHEN_MADE: LiteralString = """
alter table artifacts add column if not exists made timestamptz;
update artifacts set made = created where made is null;
alter table artifacts alter column made set not null;
create index if not exists artifacts_made on artifacts (project, made desc, artifact desc);
"""
_LIVE_PHOTOS: LiteralString = """
create index if not exists artifacts_live_photos on artifacts (project, (properties ->> 'live_photo'))
    where properties ->> 'live_photo' is not null;
"""
Order = Literal["created", "made"]
"""What a list is ordered by, the newest first: when artifacts came, or when they were made."""
_COLUMNS = sql.SQL("artifact, name, media_type, kind, size, labels, parents, producer, created, made, properties")
_INSERT = sql.SQL(
    "insert into artifacts (project, {}) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
    "on conflict (project, artifact) do "
).format(_COLUMNS)
_LABELS: LiteralString = """
select label, count(*) from artifacts, unnest(labels) label where project = %s and label <> %s group by 1 order by 1
"""
_KEEP = sql.SQL("nothing")
_OVERWRITE = sql.SQL(
    "update set name = excluded.name, media_type = excluded.media_type, kind = excluded.kind, size = excluded.size, "
    "labels = excluded.labels, parents = excluded.parents, producer = excluded.producer, "
    "created = excluded.created, made = excluded.made, properties = excluded.properties"
)
_MOST = 1000
_PAGE_CONDITION: LiteralString = (
    "project = %s and (cardinality(%s::text[]) = 0 or kind = any(%s)) and labels @> %s::text[] "
    "and not labels && %s::text[] and strpos(lower(name), lower(%s)) > 0 "
    "and not (%s and kind = 'speech' and properties ->> 'live_photo' is not null and exists ("
    "select 1 from artifacts still where still.project = artifacts.project and still.kind = 'image' "
    "and still.properties ->> 'live_photo' = artifacts.properties ->> 'live_photo' "
    "and still.labels @> %s::text[] and not still.labels && %s::text[])) "
)
_PAGE_BY: dict[Order, LiteralString] = {
    "created": _PAGE_CONDITION + "and created >= coalesce(%s::timestamptz, '-infinity') "
    "and created < coalesce(%s::timestamptz, 'infinity') "
    "and (created, artifact) < (%s::timestamptz, %s) order by created desc, artifact desc limit %s",
    "made": _PAGE_CONDITION + "and made >= coalesce(%s::timestamptz, '-infinity') "
    "and made < coalesce(%s::timestamptz, 'infinity') "
    "and (made, artifact) < (%s::timestamptz, %s) order by made desc, artifact desc limit %s",
}


class Listed(BaseModel):
    """A row of the library; `size` in bytes, `labels` are the current ones.

    `created` is when the artifact came, `made` when it was made, if its file says so, otherwise when it came.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    media_type: str
    kind: Kind
    size: int
    labels: tuple[str, ...]
    parents: tuple[str, ...]
    producer: str | None
    created: datetime
    made: datetime
    properties: dict[str, Any]


class Page(BaseModel):
    """A page of rows; `next` is the cursor of the next page, None on the last one."""

    rows: list[Listed]
    next: str | None = None


class Library:
    """The table of the artifacts of every project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_schema(self) -> None:
        """Apply the migrations that are missing; safe when several processes do it at once."""
        self._database.migrate("library", _MIGRATIONS)

    def add(self, record: ArtifactRecord) -> None:
        """Insert the row of a record; an existing row stays, with its current labels."""
        with self._database.connection() as connection:
            connection.execute(_INSERT + _KEEP, _values(record, record.labels))

    def put(self, records: Iterable[ArtifactRecord], labels: Mapping[str, Sequence[str]]) -> None:
        """Insert or replace the rows of records, with these labels by artifact id."""
        with self._database.connection() as connection, connection.cursor() as cursor:
            cursor.executemany(
                _INSERT + _OVERWRITE,
                [_values(record, labels[record.artifact.sha256]) for record in records],
            )

    def set_labels(self, project: str, artifact: str, labels: Sequence[str]) -> None:
        """Replace the labels of an artifact."""
        with self._database.connection() as connection:
            connection.execute(
                "update artifacts set labels = %s where project = %s and artifact = %s",
                [list(labels), project, artifact],
            )

    def remove(self, project: str, artifacts: Sequence[str]) -> None:
        """Delete the rows of these artifacts."""
        with self._database.connection() as connection:
            connection.execute(
                "delete from artifacts where project = %s and artifact = any(%s)", [project, list(artifacts)]
            )

    def page(
        self,
        project: str,
        *,
        kinds: Sequence[Kind] = (),
        labels: Sequence[str] = (),
        without: Sequence[str] = (),
        name: str = "",
        with_motions: bool = True,
        since: datetime | None = None,
        until: datetime | None = None,
        order: Order = "created",
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of artifacts, newest first, of any of the kinds, with all of the labels and `name` in their names.

        Only those from `since` on and before `until` by the time of the order, with none of the labels `without`.
        `with_motions` lists the films of live photos beside their pictures; otherwise the picture alone, if it passes.
        `after` is the `next` of the previous page. Raises InvalidName when it is no cursor.
        """
        time, artifact = _parse_cursor(after)
        limit = min(limit, _MOST)
        labelled = [list(labels), [*without, *{TRASH}.difference(labels)]]
        once = not with_motions and (not kinds or "image" in kinds)
        scope = (project, list(kinds), list(kinds), *labelled, name, once, *labelled)
        with self._database.connection() as connection:
            found = _rows(
                connection,
                _PAGE_BY[order],
                [*scope, since, until, time, artifact, limit + 1],
            )
        more = len(found) > limit
        rows = found[:limit]
        last = (rows[-1].made if order == "made" else rows[-1].created) if more else None
        return Page(rows=rows, next=f"{last.isoformat()}_{rows[-1].artifact}" if last else None)

    def children(self, project: str, artifact: str) -> list[Listed]:
        """The artifacts that have this one among their parents, oldest first."""
        with self._database.connection() as connection:
            return _rows(
                connection, "project = %s and parents @> %s::text[] order by created, artifact", [project, [artifact]]
            )

    def of_live_photo(self, project: str, identifier: str) -> list[Listed]:
        """The pictures and films of a live photo, oldest first."""
        with self._database.connection() as connection:
            condition: LiteralString = "project = %s and properties ->> 'live_photo' = %s order by created, artifact"
            return _rows(connection, condition, [project, identifier])

    def named(self, project: str, artifacts: Sequence[str]) -> list[Listed]:
        """The rows of those of the artifacts that the project has, in no order."""
        with self._database.connection() as connection:
            return _rows(connection, "project = %s and artifact = any(%s)", [project, list(artifacts)])

    def all(self, project: str) -> list[Listed]:
        """Every row of a project, in the order of ids."""
        with self._database.connection() as connection:
            return _rows(connection, "project = %s order by artifact", [project])

    def labels(self, project: str) -> dict[str, int]:
        """The number of artifacts that have each label."""
        with self._database.connection() as connection:
            return dict(connection.execute(_LABELS, [project, TRASH]).fetchall())

    def counts(self, project: str) -> dict[Kind, int]:
        """The number of artifacts of each kind."""
        with self._database.connection() as connection:
            rows = connection.execute("select kind, count(*) from artifacts where project = %s group by 1", [project])
            return dict(rows.fetchall())


def _create_tables(connection: Connection[Any]) -> None:
    connection.execute(_SCHEMA)


def _add_when_made(connection: Connection[Any]) -> None:
    connection.execute(_WHEN_MADE)


def _index_live_photos(connection: Connection[Any]) -> None:
    connection.execute(_LIVE_PHOTOS)


_MIGRATIONS: tuple[Migration, ...] = (_create_tables, _add_when_made, _index_live_photos)


def listed_record(record: ArtifactRecord, labels: Sequence[str]) -> Listed:
    """The row of a record with these labels."""
    return Listed(
        artifact=record.artifact.sha256,
        name=_without_nul(record.name),
        media_type=record.artifact.media_type,
        kind=record.kind,
        size=record.artifact.size,
        labels=tuple(labels),
        parents=record.parents,
        producer=record.producer,
        created=record.created,
        made=record.made or record.created,
        properties=_without_nul(record.properties),
    )


def _rows(connection: Connection[Any], condition: LiteralString, values: list[Any]) -> list[Listed]:
    with connection.cursor(row_factory=class_row(Listed)) as cursor:
        query = sql.SQL("select {} from artifacts where ").format(_COLUMNS) + sql.SQL(condition)
        return cursor.execute(query, values).fetchall()


def _values(record: ArtifactRecord, labels: Sequence[str]) -> list[Any]:
    """The values of a row in the order of the columns."""
    row = vars(listed_record(record, labels)) | {"properties": Jsonb(_without_nul(record.properties))}
    return [record.project, *(list(value) if isinstance(value, tuple) else value for value in row.values())]


def _without_nul(value: Any) -> Any:
    """The value with spaces for NUL characters, which Postgres cannot store."""
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nul(inner) for inner in value]
    return value.replace("\0", " ") if isinstance(value, str) else value


def _parse_cursor(after: str | None) -> tuple[str, str]:
    """The creation time and id of the last artifact of the previous page. Raises InvalidName."""
    if after is None:
        return "infinity", ""
    created, _, artifact = after.rpartition("_")
    try:
        datetime.fromisoformat(created)
    except ValueError as error:
        raise InvalidName(f"{after[:100]!r} is no place in a list: give the `next` of the page before.") from error
    return created, artifact
