"""The table of the stack's parts: how each is started and probed, and which other parts it depends on."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from os import environ
from pathlib import Path
from signal import SIGTERM, Signals

from flows.running.errors import NotReachable
from flows.running.platform import Platform
from flows.running.prefect_api import api_of, is_healthy
from flows.running.settings import ROOT, Settings, load_settings, stack_file
from stack.home_file import StackFile, read_stack_file
from stack.processes import running_process
from stack.servers import gateway, postgres, prefect, seaweed, workers

Report = Callable[[str], None]


@dataclass(frozen=True)
class Home:
    """The folder of a stack, with its ports and credentials, and the settings read from them."""

    path: Path
    values: StackFile
    settings: Settings


@dataclass(frozen=True)
class Part:
    """A server or worker. `start` returns once it answers; `replaced_by` is the variable that names another one.

    `is_responsive` is a health check that a hung process does not answer; by default `answers`.
    """

    name: str
    description: str
    start: Callable[[Home], None]
    answers: Callable[[Settings], bool]
    needs: tuple[str, ...] = ()
    replaced_by: str | None = None
    stop_signal: Signals = SIGTERM
    is_responsive: Callable[[Home], bool] | None = None

    @property
    def replaced(self) -> bool:
        """Whether the environment names another server to use instead of this part."""
        return self.replaced_by is not None and self.replaced_by in environ


def open_home(path: Path) -> Home:
    """Read the home from `stack.env` and the environment."""
    return Home(path, StackFile(read_stack_file(path)), load_settings(path))


def local_parts(path: Path) -> tuple[Part, ...]:
    """Return the parts that `up` starts in this home: those that the environment does not replace."""
    replaceable = [part for part in PARTS.values() if part.replaced_by]
    if not stack_file(path).exists() and all(part.replaced for part in replaceable):
        return ()
    return tuple(part for part in PARTS.values() if not part.replaced)


def ensure_started(home: Home, part: Part, report: Report) -> None:
    """Start the part unless it runs. Raises PartDidNotStart, and NotReachable if its replacement does not answer."""
    if part.replaced:
        if not part.answers(home.settings):
            raise NotReachable(f"{part.description} of {part.replaced_by} does not answer: check the address.")
        return
    with _start_lock(home.path, part):
        if running_process(home.path, part.name) is None:
            report(f"starting {part.description}")
            part.start(home)


def responds(home: Home, part: Part) -> bool:
    """Whether the part answers its health check; this may take long, or for ever, if it hangs."""
    return part.is_responsive(home) if part.is_responsive else part.answers(home.settings)


def dependencies_answer(home: Home, part: Part) -> bool:
    """Whether all parts that this part needs answer."""
    return all(PARTS[name].answers(home.settings) for name in part.needs)


@contextmanager
def _start_lock(path: Path, part: Part) -> Generator[None]:
    """Keep `up` and the supervisor from starting the same part at the same time."""
    (path / "run").mkdir(exist_ok=True)
    with (path / "run" / f"{part.name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _start_s3(home: Home) -> None:
    seaweed.start_seaweed(
        home.path,
        ports=home.values.s3_ports(),
        bucket=Platform(home.settings).bucket,
        keys=(home.settings.s3_access_key, home.settings.s3_secret_key.get_secret_value()),
        token=home.values.values["TRIPTYCH_STACK_TOKEN"],
        identities=home.values.identities(),
    )


def _s3_answers(settings: Settings) -> bool:
    """Create the bucket if it is missing, and test its conditional writes. Raises StorageError."""
    bucket = Platform(settings).bucket
    bucket.ensure()
    bucket.check_conditional_writes()
    return True


def _start_postgres(home: Home) -> None:
    postgres.start_postgres(
        home.path,
        port=home.values.port("postgres.port"),
        password=home.values.postgres_password,
        owners=home.values.database_owners(),
    )


def _start_prefect(home: Home) -> None:
    prefect.start_server(
        home.path,
        ROOT,
        database=home.values.dsn("prefect", "postgresql+asyncpg"),
        port=home.values.port("prefect.port"),
        auth_string=home.values.values["TRIPTYCH_PREFECT_AUTH_STRING"],
    )


def _start_worker(name: str) -> Callable[[Home], None]:
    def start(home: Home) -> None:
        environment = home.values.worker_environments()[name]
        workers.start_worker(home.path, ROOT, api_of(home.settings), name, environment)

    return start


def _start_gateway(home: Home) -> None:
    environment = {"TRIPTYCH_HOME": str(home.path)} | home.values.s3_environment("gateway")
    gateway.start_gateway(home.path, ROOT, port=home.values.port("gateway.port"), environment=environment)


def _worker(name: str) -> Part:
    # Prefect knows whether a pool has a worker; whether its event loop runs is told by the port of its metrics.
    def is_responsive(home: Home) -> bool:
        own = home.values.worker_environments()[name].get("WARM_PROCESS_STATUS_PORT", "")
        port = environ.get("TRIPTYCH_WARM_PROCESS_STATUS_PORT", own)
        return not port.isdigit() or int(port) == 0 or workers.speaks_http(int(port))

    start = _start_worker(name)
    return Part(name, f"the worker {name}", start, lambda _: True, needs=(prefect.SERVER,), is_responsive=is_responsive)


_TABLE = (
    Part(
        seaweed.NAME,
        "the S3 server",
        _start_s3,
        _s3_answers,
        replaced_by="TRIPTYCH_S3_ENDPOINT",
        is_responsive=lambda home: seaweed.is_healthy(str(home.settings.s3_endpoint)),
    ),
    Part(
        postgres.NAME,
        "the Postgres server",
        _start_postgres,
        lambda settings: postgres.answers(settings.postgres_dsn.get_secret_value()),
        replaced_by="TRIPTYCH_POSTGRES_DSN",
        stop_signal=postgres.STOP_SIGNAL,
    ),
    Part(
        prefect.SERVER,
        "the Prefect server",
        _start_prefect,
        lambda settings: is_healthy(api_of(settings).url),
        needs=(postgres.NAME,),
        replaced_by="TRIPTYCH_PREFECT_API_URL",
    ),
    *(_worker(name) for name in (*workers.WORKERS, workers.TRAINER)),
    Part(
        gateway.NAME,
        "the gateway",
        _start_gateway,
        lambda settings: gateway.answers(str(settings.gateway_url)),
        replaced_by="TRIPTYCH_GATEWAY_URL",
    ),
)
PARTS: Mapping[str, Part] = {part.name: part for part in _TABLE}
"""All parts by name, in start order; they are stopped in reverse order."""
