"""Claims: advisory locks of Postgres that keep two processes from doing the same work at the same time.

A claim belongs to a database session, and ends without a timeout when its process dies. Claims save work; correctness
does not depend on them: after a restart of the database two processes may do the same work, and the create-only
records keep one result.
"""

import hashlib
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import Connection, OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_exponential

from storage.errors import StorageUnavailable

_POOL_SIZE = 4
# Detects within half a minute that a client machine has lost its power, and releases its claims.
_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"


class Claims:
    """A pool of the database sessions with which one process claims things."""

    def __init__(self, dsn: str, patience_seconds: float = 5.0) -> None:
        self._dsn = dsn
        self.patience_seconds = patience_seconds
        self._idle: list[Connection[Any]] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Generator["ClaimSession"]:
        """A session whose claims are released at the end of the context."""
        session = ClaimSession(self)
        try:
            yield session
        finally:
            session.close()

    def connect(self) -> Connection[Any]:
        """Take a connection without claims out of the pool, or open one. Raises StorageUnavailable."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            return kept
        try:
            return psycopg.connect(self._dsn, autocommit=True, connect_timeout=5, options=_KEEPALIVE)
        except OperationalError as error:
            raise StorageUnavailable("The database that keeps claims does not answer.") from error

    def give_back(self, connection: Connection[Any]) -> None:
        """Return a connection without claims to the pool."""
        with self._lock:
            if len(self._idle) < _POOL_SIZE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class ClaimSession:
    """The claims of one piece of work, on one database session; not thread-safe."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._connection: Connection[Any] | None = None

    def take(self, names: Sequence[str]) -> list[bool]:
        """Claim each name that no other session has claimed; True for each that is claimed now. Does not block.

        Raises StorageUnavailable when the database does not answer within the patience of these claims.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(StorageUnavailable),
            stop=stop_before_delay(self._claims.patience_seconds),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        )
        return retrying(self._take, names) if names else []

    def _take(self, names: Sequence[str]) -> list[bool]:
        if self._connection is None:
            self._connection = self._claims.connect()
        try:
            rows = self._connection.execute(
                "select pg_try_advisory_lock(k) from unnest(%s::bigint[]) with ordinality as t(k, n) order by n",
                [[_lock_key(name) for name in names]],
            ).fetchall()
        except OperationalError as error:
            self._drop_connection()
            raise StorageUnavailable("The database that keeps claims does not answer.") from error
        return [row[0] for row in rows]

    def release(self) -> None:
        """Release every claim; no error when the database is gone, for its claims are gone with it."""
        if self._connection is None:
            return
        try:
            self._connection.execute("select pg_advisory_unlock_all()")
        except OperationalError:
            self._drop_connection()

    def close(self) -> None:
        """Release every claim and return the connection to the pool."""
        self.release()
        if self._connection is not None:
            self._claims.give_back(self._connection)
            self._connection = None

    def _drop_connection(self) -> None:
        self._claims.close()  # the pooled connections are most likely broken too
        if self._connection is not None:
            with suppress(OperationalError):
                self._connection.close()
            self._connection = None


def _lock_key(name: str) -> int:
    """The key of the advisory lock for a name: 64 bits of its sha256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
