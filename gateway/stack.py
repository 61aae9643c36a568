"""The embedded stack: S3, Postgres, Prefect and the workers on this machine, from installed packages alone."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from os import environ
from pathlib import Path

from pydantic import BaseModel

from flows.migration import prepare_bucket
from flows.platform import Platform
from flows.settings import ROOT, Settings, default_home, load_settings, stack_file
from gateway import http_server, postgres, prefect_server, seaweed
from gateway.errors import NotReachable
from gateway.processes import running_process, stop_process
from gateway.silent_trainings import watch_trainings
from gateway.stack_file import StackFile, read_stack_file, remember
from storage.bucket import Bucket
from workers.status import WorkerStatus, read_status

Report = Callable[[str], None]
SUPERVISOR = "supervisor"
"""The process that starts the others again when they die: gateway/supervise.py."""
_WORKERS = (*prefect_server.WORKERS, prefect_server.TRAINER)
_PARTS = (seaweed.NAME, postgres.NAME, prefect_server.SERVER, *_WORKERS, http_server.NAME, SUPERVISOR)
_REPLACED_BY = {
    seaweed.NAME: "TRIPTYCH_S3_ENDPOINT",
    postgres.NAME: "TRIPTYCH_POSTGRES_DSN",
    prefect_server.SERVER: "TRIPTYCH_PREFECT_API_URL",
    http_server.NAME: "TRIPTYCH_GATEWAY_URL",
}
"""The address in the environment that stands for a part."""


class PartStatus(BaseModel):
    """One server or worker: whether it runs here, and as which process."""

    name: str
    running: bool
    pid: int | None


class StackStatus(BaseModel):
    """The addresses of the stack and the state of its parts."""

    home: str
    prefect: str | None
    s3: str | None
    gateway: str | None
    parts: list[PartStatus]
    workers: list[WorkerStatus]

    @property
    def running(self) -> bool:
        return all(part.running for part in self.parts)


def up(home: Path | None = None, *, report: Report = lambda _: None, storage_only: bool = False) -> StackStatus:
    """Start what does not run yet, and wait until it answers. Data of an earlier `up` is found again."""
    home = (home or default_home()).absolute()
    home.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        held = remember(home)
        settings = load_settings(home)
        with ThreadPoolExecutor(2) as threads:
            for started in [threads.submit(start, home, held, settings, report) for start in (_up_s3, _up_postgres)]:
                started.result()
        prepare_bucket(Platform(settings), report)
        if not storage_only:
            _up_prefect(home, held, settings, report)
            _up_gateway(home, held, report)
            _up_supervisor(home)
    return status(home)


def down(home: Path | None = None, *, report: Report = lambda _: None) -> None:
    """Stop everything that `up` started, last started first. Data stays."""
    home = (home or default_home()).absolute()
    if not stack_file(home).exists():
        return
    with _only_one(home):
        for name in reversed(_PARTS):
            if running_process(home, name):
                report(f"stopping {name}")
            # What the supervisor has started are parts of their own, stopped in their turn.
            stop_process(home, name, alone=name == SUPERVISOR)


def start_part(home: Path, name: str) -> None:
    """Start one part of a stack that is up, if it does not run, and wait until it answers. For the supervisor."""
    held, settings = StackFile(read_stack_file(home)), load_settings(home)
    start: dict[str, Callable[[], None]] = {
        seaweed.NAME: lambda: _up_s3(home, held, settings, _silently),
        postgres.NAME: lambda: _up_postgres(home, held, settings, _silently),
        prefect_server.SERVER: lambda: _up_server(home, held, settings, _silently),
        http_server.NAME: lambda: _up_gateway(home, held, _silently),
    }
    start.get(name, lambda: _start_workers(home, held, settings))()


def can_start(home: Path, name: str) -> bool:
    """Whether what a part needs is there: Prefect its database, the workers their server."""
    settings = load_settings(home)
    if name == prefect_server.SERVER:
        return postgres.answers(settings.postgres_dsn.get_secret_value())
    return name not in _WORKERS or prefect_server.healthy(prefect_server.api_of(settings).url)


def status(home: Path | None = None) -> StackStatus:
    """What runs and where."""
    home = (home or default_home()).absolute()
    parts = [(name, running_process(home, name)) for name in parts_here(home)]
    values = read_stack_file(home) | dict(environ)
    s3 = values.get("TRIPTYCH_S3_ENDPOINT")
    return StackStatus(
        home=str(home),
        prefect=(values.get("TRIPTYCH_PREFECT_API_URL") or "").removesuffix("/api") or None,
        s3=f"http://{s3}" if s3 else None,
        gateway=values.get("TRIPTYCH_GATEWAY_URL"),
        parts=[PartStatus(name=n, running=p is not None, pid=p.pid if p else None) for n, p in parts],
        workers=[found for name in prefect_server.WORKERS if (found := _worker_status(home, name))],
    )


def _worker_status(home: Path, name: str) -> WorkerStatus | None:
    return read_status(prefect_server.status_file(home, name)) if running_process(home, name) else None


def parts_here(home: Path) -> tuple[str, ...]:
    """The parts that `up` would start in this home: those that no address in the environment replaces."""
    if not stack_file(home).exists() and all(name in environ for name in _REPLACED_BY.values()):
        return ()
    return tuple(name for name in _PARTS if _REPLACED_BY.get(name, "") not in environ)


def _up_s3(home: Path, held: StackFile, settings: Settings, report: Report) -> None:
    bucket = Bucket.connect(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        name=settings.bucket,
        secure=settings.s3_secure,
        region=settings.s3_region,
    )
    if "TRIPTYCH_S3_ENDPOINT" in environ:
        bucket.ensure()
        bucket.prove_conditional_writes()
        return
    with _one_starts(home, seaweed.NAME) as is_missing:
        if not is_missing:
            return
        report("starting the S3 server")
        keys = (settings.s3_access_key, settings.s3_secret_key.get_secret_value())
        token = held.values["TRIPTYCH_STACK_TOKEN"]
        seaweed.start_seaweed(
            home, ports=held.ports(), bucket=bucket, keys=keys, token=token, identities=held.identities()
        )


def _up_postgres(home: Path, held: StackFile, settings: Settings, report: Report) -> None:
    if "TRIPTYCH_POSTGRES_DSN" in environ:
        if not postgres.answers(settings.postgres_dsn.get_secret_value()):
            raise NotReachable("The database of TRIPTYCH_POSTGRES_DSN does not answer: check the address.")
        return
    with _one_starts(home, postgres.NAME) as is_missing:
        if is_missing:
            report("starting Postgres")
            postgres.start_postgres(
                home,
                port=held.port("postgres.port"),
                password=held.postgres_password,
                owners=held.database_owners(),
            )


def _up_prefect(home: Path, held: StackFile, settings: Settings, report: Report) -> None:
    _up_server(home, held, settings, report)
    if all(running_process(home, name) for name in _WORKERS):
        return
    api = prefect_server.api_of(settings)
    report("preparing pools and deployments")
    prefect_server.prepare_pools(api)
    watch_trainings(api)
    prefect_server.deploy(home, ROOT, api)
    report("starting the workers")
    _start_workers(home, held, settings)
    prefect_server.wait_for_workers(home, api)


def _up_server(home: Path, held: StackFile, settings: Settings, report: Report) -> None:
    api = prefect_server.api_of(settings)
    if "TRIPTYCH_PREFECT_API_URL" in environ:
        if not prefect_server.healthy(api.url):
            raise NotReachable(f"The Prefect server at {api.url} does not answer: check TRIPTYCH_PREFECT_API_URL.")
        return
    with _one_starts(home, prefect_server.SERVER) as is_missing:
        if not is_missing:
            return
        report("starting the Prefect server")
        prefect_server.start_server(
            home,
            ROOT,
            database=held.dsn("prefect", "postgresql+asyncpg"),
            port=held.port("prefect.port"),
            auth_string=held.values["TRIPTYCH_PREFECT_AUTH_STRING"],
        )


def _start_workers(home: Path, held: StackFile, settings: Settings) -> None:
    with _one_starts(home, "workers"):
        prefect_server.start_workers(home, ROOT, prefect_server.api_of(settings), held.worker_environments())


def _up_gateway(home: Path, held: StackFile, report: Report) -> None:
    if "TRIPTYCH_GATEWAY_URL" in environ:
        return
    with _one_starts(home, http_server.NAME) as is_missing:
        if is_missing:
            report("starting the gateway")
            environment = {"TRIPTYCH_HOME": str(home)} | held.s3_environment("gateway")
            http_server.start_gateway(home, ROOT, port=held.port("gateway.port"), environment=environment)


def _up_supervisor(home: Path) -> None:
    from gateway.supervise import start_supervisor

    if running_process(home, SUPERVISOR) is None:
        start_supervisor(home, ROOT)


@contextmanager
def _only_one(home: Path) -> Generator[None]:
    """Two `up`s or `down`s of one home go one after the other."""
    with (home / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


@contextmanager
def _one_starts(home: Path, name: str) -> Generator[bool]:
    """`up` and the supervisor start a part one after the other; whether it does not run yet."""
    (home / "run").mkdir(exist_ok=True)
    with (home / "run" / f"{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield running_process(home, name) is None


def _silently(_sentence: str) -> None:
    """For those who look into the log."""
