"""Each database of the embedded Postgres is owned by its own role, which has no rights beyond it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from flows.running.settings import Settings
from stack.home_file import StackFile, read_stack_file
from stack.processes import free_ports, stop_process
from stack.servers import postgres

SUPERUSER, OWNERS = "superuser's secret", {"triptych": "t' secret", "prefect": "p secret"}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    [found] = free_ports(1)
    yield found
    stop_process(tmp_path, postgres.NAME, postgres.STOP_SIGNAL)


def test_the_index_role_is_no_superuser_and_cannot_read_prefects_database(settings: Settings) -> None:
    with psycopg.connect(settings.postgres_dsn.get_secret_value(), autocommit=True) as connection:
        who = connection.execute("select usename, usesuper from pg_user where usename = current_user").fetchone()
        assert who == ("triptych", False)
        for attempt in (
            "copy (select 1) to program 'true'",
            "create role other superuser",
            "create database other",
            "select rolpassword from pg_authid",
            "alter role postgres password 'mine'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)
    held = StackFile(read_stack_file(settings.home))
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(held.dsn("triptych"), dbname="prefect")


def test_a_start_transfers_the_objects_of_an_earlier_version_to_their_role(tmp_path: Path, port: int) -> None:
    postgres.start_postgres(tmp_path, port=port, password=SUPERUSER)
    with psycopg.connect(postgres.dsn(port, SUPERUSER, "prefect")) as connection:
        connection.execute("create type mood as enum ('good')")
        connection.execute('create table "Odd name" (id bigint generated always as identity, mood mood)')
        connection.execute("create function one() returns int language sql as 'select 1'")
        connection.execute("""insert into "Odd name" (mood) values ('good')""")
    for _ in range(2):
        stop_process(tmp_path, postgres.NAME, postgres.STOP_SIGNAL)
        postgres.start_postgres(tmp_path, port=port, password=SUPERUSER, owners=OWNERS)
    own = postgres.dsn(port, OWNERS["prefect"], "prefect", user="prefect")
    with psycopg.connect(own) as connection:
        connection.execute("alter type mood add value 'bad'")
        connection.execute('alter table "Odd name" add column more text')
        connection.execute("drop function one()")
        connection.execute('create index odd on "Odd name" (mood)')
    with psycopg.connect(own) as connection:
        assert connection.execute("""insert into "Odd name" (mood) values ('bad') returning id""").fetchone() == (2,)


def test_a_changed_password_is_applied_at_the_next_start(tmp_path: Path, port: int) -> None:
    postgres.start_postgres(tmp_path, port=port, password=SUPERUSER, owners=OWNERS)
    stop_process(tmp_path, postgres.NAME, postgres.STOP_SIGNAL)
    postgres.start_postgres(tmp_path, port=port, password=SUPERUSER, owners=OWNERS | {"triptych": "new"})
    assert postgres.answers(postgres.dsn(port, "new", "triptych", user="triptych"))
    assert not postgres.answers(postgres.dsn(port, OWNERS["triptych"], "triptych", user="triptych"))
