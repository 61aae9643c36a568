"""Read and write `stack.env`, the ports and credentials of a home: created at the first start, then kept, mode 0600."""

import re
import secrets
from dataclasses import dataclass
from os import environ
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from flows.running.settings import stack_file
from stack.processes import free_ports, is_free_port, running_process
from stack.servers import gateway, postgres, prefect, seaweed, workers
from stack.servers.s3_rights import ROLES, Identity, Role
from storage.atomic_files import atomic_write


@dataclass(frozen=True)
class StackFile:
    """The variables of `stack.env`; Settings reads some of them too."""

    values: dict[str, str]

    def s3_ports(self) -> dict[str, int]:
        return {name: int(self.values[_port_variable(name)]) for name in seaweed.PORTS}

    def port(self, name: str) -> int:
        """Return the port called, for example, `postgres.port`."""
        return int(self.values[_port_variable(name)])

    def identities(self) -> list[Identity]:
        """Return the identities of the embedded S3 server, one per role."""
        return [Identity(role, *self.s3_keys(role)) for role in ROLES]

    def s3_keys(self, role: Role) -> tuple[str, SecretStr]:
        access, secret = (self.values[_s3_variable(role, kind)] for kind in ("ACCESS", "SECRET"))
        return access, SecretStr(secret)

    def s3_environment(self, role: Role) -> dict[str, str]:
        """Return the S3 keys of a role as variables; empty if the environment names another S3 server and its keys."""
        if "TRIPTYCH_S3_ENDPOINT" in environ:
            return {}
        access, secret = self.s3_keys(role)
        return {"TRIPTYCH_S3_ACCESS_KEY": access, "TRIPTYCH_S3_SECRET_KEY": secret.get_secret_value()}

    def worker_environments(self) -> dict[str, dict[str, str]]:
        """Return each worker's own variables: its S3 keys, and the port and token of its metrics."""
        token = {"WARM_PROCESS_STATUS_TOKEN": self.values["TRIPTYCH_METRICS_TOKEN"]}
        return {workers.TRAINER: self.s3_environment("worker")} | {
            name: self.s3_environment("worker") | token | {"WARM_PROCESS_STATUS_PORT": str(self.port(f"{name}.port"))}
            for name in workers.WORKERS
        }

    @property
    def postgres_password(self) -> str:
        """The superuser's password, which is passed to no other process."""
        return self.values["TRIPTYCH_STACK_POSTGRES_PASSWORD"]

    def database_owners(self) -> dict[str, str]:
        """Return the password of each database's owner; database and owner have the same name."""
        return {name: self.values[_owner_variable(name)] for name in postgres.DATABASES}

    def dsn(self, database: str, scheme: str = "postgresql") -> str:
        """Return the connection string of a database, as its owner."""
        password = self.values[_owner_variable(database)]
        return postgres.dsn(self.port("postgres.port"), password, database, scheme, user=database)


def load_or_create(home: Path) -> StackFile:
    """Load the ports and credentials of a home; create missing ones, and replace ports that are in use."""
    values = read_stack_file(home)
    values.setdefault("TRIPTYCH_S3_ACCESS_KEY", secrets.token_hex(10))
    values.setdefault("TRIPTYCH_S3_SECRET_KEY", secrets.token_hex(24))
    for role in ROLES:
        values.setdefault(_s3_variable(role, "ACCESS"), secrets.token_hex(10))
        values.setdefault(_s3_variable(role, "SECRET"), secrets.token_hex(24))
    values.setdefault("TRIPTYCH_STACK_POSTGRES_PASSWORD", secrets.token_hex(24))
    for name in postgres.DATABASES:
        values.setdefault(_owner_variable(name), secrets.token_hex(24))
    values.setdefault("TRIPTYCH_STACK_TOKEN", secrets.token_hex(24))
    values.setdefault("TRIPTYCH_METRICS_TOKEN", secrets.token_urlsafe(32))
    values.setdefault("TRIPTYCH_GATEWAY_TOKEN", secrets.token_urlsafe(32))
    # USER:PASSWORD, as `curl --user` and the like expect it.
    values.setdefault("TRIPTYCH_PREFECT_AUTH_STRING", f"triptych:{secrets.token_hex(24)}")
    owners = {
        seaweed.NAME: seaweed.PORTS,
        postgres.NAME: ("postgres.port",),
        prefect.SERVER: ("prefect.port",),
        gateway.NAME: ("gateway.port",),
        **{name: (f"{name}.port",) for name in workers.WORKERS},
    }
    for part, names in owners.items():
        if running_process(home, part) is None:
            _choose_ports(values, names)
    loaded = StackFile(values)
    values["TRIPTYCH_S3_ENDPOINT"] = f"127.0.0.1:{loaded.port('s3.port')}"
    values["TRIPTYCH_POSTGRES_DSN"] = loaded.dsn("triptych")
    values["TRIPTYCH_PREFECT_API_URL"] = f"http://127.0.0.1:{loaded.port('prefect.port')}/api"
    values["TRIPTYCH_GATEWAY_URL"] = f"http://127.0.0.1:{loaded.port('gateway.port')}"
    _write(home, values)
    return loaded


def _choose_ports(values: dict[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        known = values.get(_port_variable(name))
        if known is None or not is_free_port(int(known)):
            taken = {value for key, value in values.items() if key.startswith("TRIPTYCH_STACK_PORT_")}
            values[_port_variable(name)] = next(str(p) for p in free_ports(len(taken) + 1) if str(p) not in taken)


def _s3_variable(role: Role, kind: str) -> str:
    return f"TRIPTYCH_STACK_S3_{role.upper()}_{kind}_KEY"


def _owner_variable(database: str) -> str:
    return f"TRIPTYCH_STACK_POSTGRES_{database.upper()}_PASSWORD"


def _port_variable(name: str) -> str:
    return f"TRIPTYCH_STACK_PORT_{re.sub('[.-]', '_', name).upper()}"


def read_stack_file(home: Path) -> dict[str, str]:
    """Return the variables of `stack.env`; none if the file does not exist."""
    values = dotenv_values(stack_file(home), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _write(home: Path, values: dict[str, str]) -> None:
    with atomic_write(stack_file(home)) as fresh:
        fresh.touch(mode=0o600)
        fresh.write_text("".join(f"{name}={value}\n" for name, value in sorted(values.items())), encoding="utf-8")
