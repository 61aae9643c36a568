"""Claims: one session holds a claim at a time, and the claims of a killed process end at once."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from flows.running.settings import Settings
from storage.claims import Claims
from tests.paths import ROOT

_TAKE_AND_STAY = """
import sys, time
from storage.claims import Claims
with Claims(sys.argv[1]).session() as session:
    print(session.take([sys.argv[2]]), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def claims(settings: Settings) -> Iterator[Claims]:
    found = Claims(settings.postgres_dsn.get_secret_value())
    yield found
    found.close()


def test_a_claim_is_exclusive_until_it_is_released(claims: Claims) -> None:
    one, other = f"one-{uuid4()}", f"other-{uuid4()}"
    with claims.session() as first, claims.session() as second:
        assert first.take([one]) == [True]
        assert second.take([one, other]) == [False, True]
        first.release()
        assert second.take([one]) == [True]
    with claims.session() as third:
        assert third.take([one, other]) == [True, True]


def test_the_claims_of_a_process_that_is_killed_end_at_once(claims: Claims, settings: Settings) -> None:
    name = f"held-{uuid4()}"
    command = [sys.executable, "-c", _TAKE_AND_STAY, settings.postgres_dsn.get_secret_value(), name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "[True]\n"
        with claims.session() as session:
            assert session.take([name]) == [False]
            holder.send_signal(signal.SIGKILL)
            deadline = time.monotonic() + 10
            while session.take([name]) == [False]:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def test_a_session_survives_the_loss_of_its_connection(claims: Claims, settings: Settings) -> None:
    before, after = f"before-{uuid4()}", f"after-{uuid4()}"
    with claims.session() as session:
        session.take([before])
        with psycopg.connect(settings.postgres_dsn.get_secret_value()) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        assert session.take([after]) == [True]
        session.release()
