"""A connection pool to the Postgres database of the index, whose errors are translated into ours."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Semaphore
from typing import Any

from psycopg import Connection, Error, OperationalError
from psycopg.errors import UndefinedTable
from psycopg_pool import ConnectionPool, PoolTimeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from storage.errors import StorageError, StorageUnavailable

_ATTEMPT_SECONDS = 2.0
"""How long one attempt to connect may take. The pool's own pauses between attempts double up to minutes, so that a
process would notice long after an outage that the server is back: the pool gives up at once, and is asked again."""
_CONNECTIONS = 4
_BUSY_SECONDS = 30.0
"""How long a caller waits for the queries of others, first come, first served."""
_SCHEMA_LOCK = 7_421_913
"""The key of the advisory lock for changes of the schema."""
_VERSIONS = (
    "create table if not exists schema_versions (component text primary key, version int not null, "
    "changed timestamptz not null default now())"
)
Migration = Callable[[Connection[Any]], None]
"""A step of the schema. It is applied once, in the transaction that records it."""


class TableGone(StorageError):
    """A table of the index was dropped by another process after its name was read."""


class Database:
    """A pool of at most four connections to one database."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], patience_seconds: float) -> None:
        self._pool = pool
        self._patience_seconds = patience_seconds
        self._turns = Semaphore(_CONNECTIONS)

    @classmethod
    def connect(cls, dsn: str, patience_seconds: float = 10.0) -> "Database":
        """The database at `dsn`. Connects at the first call; waits up to `patience_seconds` for a connection."""
        pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            dsn,
            kwargs={"connect_timeout": 5},
            min_size=0,
            max_size=_CONNECTIONS,
            timeout=min(_ATTEMPT_SECONDS, patience_seconds) or _ATTEMPT_SECONDS,
            reconnect_timeout=0.0,
            check=ConnectionPool.check_connection,  # a restart of the server breaks the pooled connections
            open=True,
        )
        return cls(pool, patience_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Generator[Connection[Any]]:
        """A connection in a transaction, which is committed at the end, or rolled back after an error.

        Raises StorageUnavailable, also if the queries of others take too long, and StorageError.
        """
        started = time.monotonic()
        if not self._turns.acquire(timeout=_BUSY_SECONDS):
            raise StorageUnavailable("The search index is busy: ask again later.")
        try:
            with self._connection(self._patience_seconds - (time.monotonic() - started)) as connection:
                yield connection
        finally:
            self._turns.release()

    @contextmanager
    def _connection(self, patience_seconds: float) -> Generator[Connection[Any]]:
        """A connection of the pool for who has a turn: the pool waits for the server alone, not for other callers."""
        stop = stop_after_delay(max(patience_seconds, 0.0))
        retrying = Retrying(retry=retry_if_exception_type(PoolTimeout), stop=stop, reraise=True)
        try:
            with ExitStack() as stack:
                yield retrying(lambda: stack.enter_context(self._pool.connection()))
        except (PoolTimeout, OperationalError) as error:
            raise StorageUnavailable("The database of the search index does not answer.") from error
        except UndefinedTable as error:
            raise TableGone(f"The search index has changed: {str(error).splitlines()[0]}") from error
        except Error as error:
            raise StorageError(f"The search index failed: {str(error).splitlines()[0]}") from error

    @contextmanager
    def autocommit(self) -> Generator[Connection[Any]]:
        """A connection outside transactions, for statements that Postgres runs in none."""
        with self.connection() as connection:
            connection.commit()
            connection.autocommit = True
            try:
                yield connection
            finally:
                connection.autocommit = False

    def migrate(self, component: str, migrations: Sequence[Migration]) -> None:
        """Apply the migrations of a component that this database has not had yet, in one process at a time.

        A database that has them all costs one query. Raises StorageError for one that a later release has migrated.
        """
        with self.connection() as connection:
            version = _version(connection, component)
            if version == len(migrations):
                return
            lock_schema(connection)
            connection.execute(_VERSIONS)
            version = _version(connection, component)
            if version > len(migrations):
                raise StorageError(
                    f"The database is of a later release: its {component} has version {version}, "
                    f"and this release knows {len(migrations)}. Update this machine."
                )
            for migration in migrations[version:]:
                migration(connection)
            connection.execute(
                "insert into schema_versions (component, version) values (%s, %s) "
                "on conflict (component) do update set version = excluded.version, changed = now()",
                [component, len(migrations)],
            )


def lock_schema(connection: Connection[Any]) -> None:
    """Take the lock for changes of the schema, until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])


def _version(connection: Connection[Any], component: str) -> int:
    exists = connection.execute("select to_regclass('schema_versions')").fetchone()
    if not exists or not exists[0]:
        return 0
    row = connection.execute("select version from schema_versions where component = %s", [component]).fetchone()
    return row[0] if row else 0
