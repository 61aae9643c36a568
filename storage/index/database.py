"""A connection pool to the Postgres database of the index, whose errors are translated into ours."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

from psycopg import Connection, Error, OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from storage.errors import StorageError, StorageUnavailable

_SCHEMA_LOCK = 7_421_913
"""The key of the advisory lock for changes of the schema."""


class Database:
    """A pool of at most four connections to one database."""

    def __init__(self, pool: ConnectionPool[Connection[Any]]) -> None:
        self._pool = pool

    @classmethod
    def connect(cls, dsn: str, patience_seconds: float = 10.0) -> "Database":
        """The database at `dsn`. Connects at the first call; waits up to `patience_seconds` for a connection."""
        check = ConnectionPool.check_connection  # a restart of the server breaks the pooled connections
        return cls(ConnectionPool(dsn, min_size=0, max_size=4, timeout=patience_seconds, check=check, open=True))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Generator[Connection[Any]]:
        """A connection in a transaction, which is committed at the end, or rolled back after an error.

        Raises StorageUnavailable, StorageError.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, OperationalError) as error:
            raise StorageUnavailable("The database of the search index does not answer.") from error
        except Error as error:
            raise StorageError(f"The search index failed: {str(error).splitlines()[0]}") from error

    def create_schema(self, schema: LiteralString) -> None:
        """Run statements that create missing tables and indexes, in one process at a time."""
        with self.connection() as connection:
            lock_schema(connection)
            connection.execute(schema)


def lock_schema(connection: Connection[Any]) -> None:
    """Take the lock for changes of the schema, until the end of the transaction."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_SCHEMA_LOCK])
