"""Files that wait in the inbox for something of the platform's own, such as a model: why, and until when.

This is a cache: without it every file is simply tried again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from pydantic import BaseModel

from storage.index.database import Database

_PROBE_SECONDS, _MOST_PROBES = 15, 5
_SCHEMA = """
create table if not exists waiting (
    key text primary key,
    etag text not null,
    project text not null,
    name text not null,
    reason text not null,
    attempts int not null,
    next_attempt timestamptz not null
);
create index if not exists waiting_project on waiting (project);
"""
_PAUSE = """
alter table waiting add column pause interval not null
    generated always as (make_interval(secs => least(30 * power(2, least(attempts, 20) - 1), 3600))) stored;
"""
"""The pause after the last attempt: half a minute, doubled with each attempt, up to an hour."""


def _create(connection: Connection[Any]) -> None:
    connection.execute(_SCHEMA)


def _add_pause(connection: Connection[Any]) -> None:
    connection.execute(_PAUSE)


class WaitingFile(BaseModel):
    """A file that waits in the inbox: why, how often it was tried, and when it is tried again."""

    key: str
    name: str
    reason: str
    attempts: int
    next_attempt: datetime


class WaitingFiles:
    """The waiting files of all projects. The time is the database's, so that workers need not agree on one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_schema(self) -> None:
        """Apply the migrations that are missing; safe when several processes do it at once."""
        self._database.migrate("waiting", (_create, _add_pause))

    def add(self, project: str, key: str, etag: str, *, name: str, reason: str) -> None:
        """Note a failed attempt. The pause until the next one doubles each time, up to an hour."""
        with self._database.connection() as connection:
            connection.execute(
                """
                insert into waiting as w (key, etag, project, name, reason, attempts, next_attempt)
                values (%(key)s, %(etag)s, %(project)s, %(name)s, %(reason)s, 1, now())
                on conflict (key) do update set
                    etag = excluded.etag, project = excluded.project, name = excluded.name, reason = excluded.reason,
                    attempts = case when w.etag = excluded.etag then w.attempts + 1 else 1 end
                """,
                {"key": key, "etag": etag, "project": project} | {"name": _text(name), "reason": _text(reason)},
            )
            connection.execute("update waiting set next_attempt = now() + pause where key = %s", [key])

    def not_due(self, versions: Mapping[str, str]) -> set[str]:
        """Return the keys among these whose next attempt is not due; `versions` has the ETag of each key.

        An attempt further ahead than its own pause was set by a clock that has been set back since: it is due.
        """
        if not versions:
            return set()
        with self._database.connection() as connection:
            rows = connection.execute(
                "select key, etag from waiting "
                "where key = any(%s) and next_attempt > now() and next_attempt <= now() + pause",
                [list(versions)],
            ).fetchall()
        return {key for key, etag in rows if versions[key] == etag}

    def probes(self, project: str, folder: str) -> dict[str, str]:
        """Return one waiting file for each reason, with the reason: to try now whether what they wait for is there.

        A reason for which a file was tried in the last seconds has none. The files of the least recently tried five
        reasons are returned, in a folder of the inbox.
        """
        with self._database.connection() as connection:
            rows = connection.execute(
                """
                select (array_agg(key order by next_attempt, key))[1], reason from waiting
                where project = %s and starts_with(key, %s) and next_attempt > now() group by reason
                having max(next_attempt - pause) <= now() - make_interval(secs => %s)
                order by max(next_attempt - pause), reason limit %s
                """,
                [project, folder, _PROBE_SECONDS, _MOST_PROBES],
            ).fetchall()
        return dict(rows)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget files that are done."""
        with self._database.connection() as connection:
            connection.execute("delete from waiting where key = any(%s)", [list(keys)])

    def remove_others(self, project: str, folder: str, keys: Iterable[str]) -> None:
        """Delete the entries of a project in a folder of the inbox, except those of these files."""
        with self._database.connection() as connection:
            connection.execute(
                "delete from waiting where project = %s and starts_with(key, %s) and key <> all(%s)",
                [project, folder, list(keys)],
            )

    def projects(self) -> list[str]:
        """Return the projects that have waiting files."""
        with self._database.connection() as connection:
            rows = connection.execute("select distinct project from waiting order by project").fetchall()
        return [name for (name,) in rows]

    def make_due(self, project: str, reasons: Iterable[str] | None = None) -> None:
        """Let all waiting files of a project, or those that wait for these reasons, be tried again at the next run."""
        with self._database.connection() as connection:
            connection.execute(
                "update waiting set next_attempt = now() where project = %(project)s "
                "and (%(reasons)s::text[] is null or reason = any(%(reasons)s))",
                {"project": project, "reasons": None if reasons is None else list(reasons)},
            )

    def of_project(self, project: str | None = None, *, limit: int = 200) -> list[WaitingFile]:
        """Return the waiting files of a project, or of all, soonest attempt first."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "select key, name, reason, attempts, next_attempt from waiting "
                "where %(project)s::text is null or project = %(project)s order by next_attempt, key limit %(limit)s",
                {"project": project, "limit": limit},
            ).fetchall()
        return [WaitingFile(**dict(zip(WaitingFile.model_fields, row, strict=True))) for row in rows]


def _text(value: str) -> str:
    """Return what Postgres can store: no NUL characters and no lone surrogates."""
    return value.replace("\0", " ").encode(errors="replace").decode()[:500]
