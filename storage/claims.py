"""Claims: who works on what just now, so that two who want the same do not do it twice.

A claim is an advisory lock of a Postgres session. It ends with the process that has it, in the moment in which that
process dies, without a clock. It spares work and guards nothing: if the database restarts, two may do the same for a
while, and the create-only records keep one result.
"""

import hashlib
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import Connection, OperationalError

from storage.errors import StorageUnavailable
from storage.retrying import patiently

_KEPT_CONNECTIONS = 4
# A machine that lost its power never says goodbye: the server finds out within half a minute and lets its claims go.
_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"


class Claims:
    """The claims of one process."""

    def __init__(self, dsn: str, patience_seconds: float = 5.0) -> None:
        self._dsn = dsn
        self.patience_seconds = patience_seconds
        self._idle: list[Connection[Any]] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Generator["ClaimSession"]:
        """Somebody who can hold claims until the end of the context."""
        claimant = ClaimSession(self)
        try:
            yield claimant
        finally:
            claimant.leave()

    def connect(self) -> Connection[Any]:
        """A connection that holds no claim. Raises StorageUnavailable."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            return kept
        try:
            return psycopg.connect(self._dsn, autocommit=True, connect_timeout=5, options=_KEEPALIVE)
        except OperationalError as error:
            raise StorageUnavailable("The database that keeps claims does not answer.") from error

    def give_back(self, connection: Connection[Any]) -> None:
        """Take a connection back that holds no claim."""
        with self._lock:
            if len(self._idle) < _KEPT_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Let the kept connections go."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class ClaimSession:
    """One piece of work that claims things; not for two threads at once."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._connection: Connection[Any] | None = None

    def take(self, names: Sequence[str]) -> list[bool]:
        """Claim what nobody else has; for each name, whether it is claimed now. Never waits for others.

        Raises StorageUnavailable when the database does not answer for a while.
        """
        return patiently(lambda: self._take(names), self._claims.patience_seconds) if names else []

    def _take(self, names: Sequence[str]) -> list[bool]:
        if self._connection is None:
            self._connection = self._claims.connect()
        try:
            rows = self._connection.execute(
                "select pg_try_advisory_lock(k) from unnest(%s::bigint[]) with ordinality as t(k, n) order by n",
                [[_number(name) for name in names]],
            ).fetchall()
        except OperationalError as error:
            self._forget()
            raise StorageUnavailable("The database that keeps claims does not answer.") from error
        return [row[0] for row in rows]

    def release(self) -> None:
        """Let go of everything claimed so far; no error when the database, and every claim with it, is gone."""
        if self._connection is None:
            return
        try:
            self._connection.execute("select pg_advisory_unlock_all()")
        except OperationalError:
            self._forget()

    def leave(self) -> None:
        """Release everything, and give the connection back."""
        self.release()
        if self._connection is not None:
            self._claims.give_back(self._connection)
            self._connection = None

    def _forget(self) -> None:
        self._claims.close()  # what broke this connection broke the kept ones too
        if self._connection is not None:
            with suppress(OperationalError):
                self._connection.close()
            self._connection = None


def _number(name: str) -> int:
    """The 64 bits that stand for a name among the advisory locks."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
