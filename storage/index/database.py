"""The Postgres database of the index: connections, and its errors said in our words."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

from psycopg import Connection, Error, OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from storage.errors import StorageError, StorageUnavailable

_LOCK = 7_421_913


class Database:
    """A few connections to one database, kept open."""

    def __init__(self, pool: ConnectionPool[Connection[Any]]) -> None:
        self._pool = pool

    @classmethod
    def connect(cls, dsn: str, patience_seconds: float = 10.0) -> "Database":
        """The database at `dsn`; connects at the first call, and waits so long for a server that restarts."""
        check = ConnectionPool.check_connection  # a restart of the server breaks the connections that are kept
        return cls(ConnectionPool(dsn, min_size=0, max_size=4, timeout=patience_seconds, check=check, open=True))

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self) -> Generator[Connection[Any]]:
        """A connection with a transaction that is committed at the end, unless an error leaves it."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, OperationalError) as error:
            raise StorageUnavailable("The database of the search index does not answer.") from error
        except Error as error:
            raise StorageError(f"The search index failed: {str(error).splitlines()[0]}") from error

    def make(self, schema: LiteralString) -> None:
        """Run the statements that make what is missing, one process at a time."""
        with self.connection() as connection:
            lock_schema(connection)
            connection.execute(schema)


def lock_schema(connection: Connection[Any]) -> None:
    """Wait until nobody else makes or drops tables; lasts until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
