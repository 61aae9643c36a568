"""The Prefect server of the embedded stack, its work pools, its deployments and its workers."""

import hashlib
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path

import httpx
from pydantic import SecretStr

from flows.job import BY
from flows.settings import Settings
from gateway.errors import NotReachable, PartDidNotStart
from gateway.processes import clean_environment, running_process, start_process, wait_until

SERVER = "prefect"
WORKERS = {"worker-cpu": "cpu", "worker-gpu": "gpu"}
"""Each worker's pool."""
TRAINER = "worker-train"
"""The worker of the pool `train`, which starts a process for each training."""
SLOTS = {"cpu": 3, "gpu": 1}
"""How many warm processes a pool has; with GPUs, `gpu` has one on each."""
ATTEMPTS = 5
"""How often a run whose process dies is begun before it is parked; `TRIPTYCH_WARM_PROCESS_ATTEMPTS` says otherwise."""
QUEUES = {"interactive": 1, "batch": 10}
"""The queues of the pool `gpu` and their priorities; 1 goes first."""
REFUSED = (401, 403)
"""How a server answers whom it does not know."""
_BOOT_SECONDS = 120.0


@dataclass(frozen=True)
class PrefectApi:
    """A Prefect server's API and what opens it: its password (the whole auth string), or the key of a Prefect Cloud."""

    url: str
    auth_string: SecretStr | None = None
    api_key: SecretStr | None = None

    def environment(self) -> dict[str, str]:
        """What Prefect's own clients read."""
        secrets = {"PREFECT_API_AUTH_STRING": self.auth_string, "PREFECT_API_KEY": self.api_key}
        return {"PREFECT_API_URL": self.url} | {
            name: secret.get_secret_value() for name, secret in secrets.items() if secret
        }

    def client(self) -> httpx.Client:
        """A client that is let in. The health check alone needs none."""
        return httpx.Client(base_url=self.url, headers=self._headers(), timeout=30)

    def _headers(self) -> dict[str, str]:
        if self.auth_string:
            return {"Authorization": f"Basic {b64encode(self.auth_string.get_secret_value().encode()).decode()}"}
        return {"Authorization": f"Bearer {self.api_key.get_secret_value()}"} if self.api_key else {}


def api_of(settings: Settings) -> PrefectApi:
    """The API that the settings name. Raises NotReachable when they name none."""
    if not settings.prefect_api_url:
        raise NotReachable("No Prefect server is named: start the stack with `triptych up`, or use --local.")
    return PrefectApi(settings.prefect_api_url, settings.prefect_auth_string, settings.prefect_api_key)


def server_environment(home: Path, database: str, port: int, auth_string: str | None) -> dict[str, str]:
    """What the server needs to know; `database` in SQLAlchemy's asyncpg form."""
    password = {"PREFECT_SERVER_API_AUTH_STRING": auth_string} if auth_string else {}
    return password | {
        "PREFECT_HOME": str(home / "data" / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The second UI asks a host outside, whatever the setting above says.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "DO_NOT_TRACK": "1",
    }


def start_server(home: Path, root: Path, *, database: str, port: int, auth_string: str | None = None) -> None:
    """Start the server and wait until its API is healthy. Without an `auth_string` it lets everybody in."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = clean_environment(server_environment(home, database, port, auth_string))
    start_process(home, SERVER, command, environment, root)
    wait_until(home, SERVER, lambda: healthy(f"http://127.0.0.1:{port}/api"), _BOOT_SECONDS)


def healthy(api_url: str) -> bool:
    """Whether the API says that it is well."""
    try:
        return httpx.get(f"{api_url}/health", timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def prepare_pools(api: PrefectApi) -> None:
    """Make the pools and queues that are missing. Raises NotReachable when the server refuses our credential."""
    with api.client() as client:
        for name in WORKERS.values():
            body = {"name": name, "type": "warm-process", "base_job_template": _template()}
            _accepted(client.post("/work_pools/", json=body))
        body = {"name": "train", "type": "process", "base_job_template": _process_template()}
        _accepted(client.post("/work_pools/", json=body))
        for name, priority in QUEUES.items():
            _accepted(client.post("/work_pools/gpu/queues", json={"name": name, "priority": priority}))


def deploy(home: Path, root: Path, api: PrefectApi) -> None:
    """Apply configs/prefect.yaml, unless this very file was applied before."""
    path = root / "configs" / "prefect.yaml"
    code = b"".join(flow.read_bytes() for flow in sorted((root / "flows").glob("*.py")))
    state = hashlib.sha256(path.read_bytes() + code + str(root).encode()).hexdigest()
    note = home / "run" / "deployed"
    if note.exists() and note.read_text(encoding="utf-8") == state:
        return
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
    environment = clean_environment(client_environment(home, root, api))
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise PartDidNotStart(f"the deployments of {path.name} were refused: {' '.join(lines[-3:])}")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(state, encoding="utf-8")


def client_environment(home: Path, root: Path, api: PrefectApi) -> dict[str, str]:
    """What workers and flow runs need to know."""
    return api.environment() | {
        "PREFECT_HOME": str(home / "data" / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "0.2",
        "PREFECT_WORKER_PREFETCH_SECONDS": "0",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
        # Runs in hand outlive a restart of any server; 500 is what Prefect's says without its database.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        "TRIPTYCH_PATIENCE_SECONDS": "60",
        "TRIPTYCH_HOME": str(home),
        "TRIPTYCH_ROOT": str(root),
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that spin while they wait made a picture ten times slower on a busy machine of two cores.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def start_workers(home: Path, root: Path, api: PrefectApi, own: Mapping[str, Mapping[str, str]]) -> None:
    """Start the workers that do not run; `own` has what each one alone is told: its keys, its port for metrics."""
    for name, pool in WORKERS.items():
        if running_process(home, name) is None:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "warm-process"]
            environment = client_environment(home, root, api) | _warm_options(home, name, pool, own[name])
            start_process(home, name, [*command, "--name", name], clean_environment(environment), root)
    if running_process(home, TRAINER) is None:
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "train", "--type", "process"]
        # A training can wait for some seconds, and asking for it five times a second has its cost.
        environment = client_environment(home, root, api) | {"PREFECT_WORKER_QUERY_SECONDS": "5"} | dict(own[TRAINER])
        command += ["--limit", "1", "--name", TRAINER]
        start_process(home, TRAINER, command, clean_environment(environment), root)


def _warm_options(home: Path, worker: str, pool: str, own: Mapping[str, str]) -> dict[str, str]:
    """How many processes a worker keeps, and what they have ready; what the environment says goes first."""
    preload = ["flows.warm:import_flows", *(["flows.warm:import_model_libraries"] if pool == "gpu" else [])]
    chosen = {
        "WARM_PROCESS_SLOTS": ",".join(_gpus()) if pool == "gpu" and _gpus() else f"cpu:{SLOTS[pool]}",
        "WARM_PROCESS_PRELOAD": ",".join(preload),
        "WARM_PROCESS_REPORT": "flows.warm:loaded_models",
        "WARM_PROCESS_SHARE_TAG": BY,
        "WARM_PROCESS_STATUS_FILE": str(status_file(home, worker)),
        "WARM_PROCESS_ATTEMPTS": str(ATTEMPTS),
        **own,
    }
    return chosen | {
        name.removeprefix("TRIPTYCH_"): value
        for name, value in environ.items()
        if name.startswith("TRIPTYCH_WARM_PROCESS_")
    }


def status_file(home: Path, worker: str) -> Path:
    """Where a worker writes what its slots do."""
    return home / "run" / f"{worker}.status.json"


def _gpus() -> list[str]:
    """The indexes of the NVIDIA GPUs of this machine."""
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def wait_for_workers(home: Path, api: PrefectApi) -> None:
    """Wait until each pool has a worker that says it is there."""
    with api.client() as client:

        def online(pool: str) -> bool:
            found = client.post(f"/work_pools/{pool}/workers/filter", json={}, timeout=5)
            return any(worker["status"] == "ONLINE" for worker in found.json())

        for name, pool in WORKERS.items():
            wait_until(home, name, lambda pool=pool: online(pool), _BOOT_SECONDS)


def _template() -> dict[str, object]:
    from workers.warm_process import WarmProcessWorker

    return WarmProcessWorker.get_default_base_job_template()


def _process_template() -> dict[str, object]:
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def refused(url: str) -> NotReachable:
    """What to say when a server knows neither password nor key of ours."""
    return NotReachable(
        f"The Prefect server at {url} does not let us in: set TRIPTYCH_PREFECT_AUTH_STRING to its password, or "
        "TRIPTYCH_PREFECT_API_KEY to a key of yours."
    )


def _accepted(answer: httpx.Response) -> None:
    if answer.status_code in REFUSED:
        raise refused(str(answer.request.url.copy_with(path="/api")))
    # 409: it was made by an earlier start.
    if answer.status_code != 409:
        answer.raise_for_status()
