"""Start the Prefect server, create its work pools and queues, and deploy the flows."""

import hashlib
import subprocess
import sys
from pathlib import Path

import httpx

from flows.running.prefect_api import DENIED_STATUSES, PrefectApi, access_denied, is_healthy
from flows.running.settings import load_model_settings
from stack.errors import PartDidNotStart
from stack.processes import clean_environment, start_process, wait_until

SERVER = "prefect"
WARM_POOLS = ("cpu", "gpu")
"""The work pools of type warm-process. The pool `train` starts a process for each run."""
QUEUES = {"interactive": 1, "batch": 10}
"""The queues of the pool `gpu` and their priorities; 1 is the highest."""
_BOOT_SECONDS = 120.0


def server_environment(home: Path, database: str, port: int, auth_string: str | None) -> dict[str, str]:
    """Return the server's environment; `database` is a SQLAlchemy URL for asyncpg."""
    password = {"PREFECT_SERVER_API_AUTH_STRING": auth_string} if auth_string else {}
    return password | {
        "PREFECT_HOME": str(home / "data" / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        # Within the default of 5 s a server that has just started on a busy machine connects to Postgres in vain.
        "PREFECT_API_DATABASE_CONNECTION_TIMEOUT": "30",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The new UI sends requests to an external host even with analytics disabled.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # A run a minute fills the database: ended runs go after 90 days, as events do after 7.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "DO_NOT_TRACK": "1",
    }


def start_server(home: Path, root: Path, *, database: str, port: int, auth_string: str | None = None) -> None:
    """Start the server and wait until its API is healthy. Without an `auth_string` it has no authentication."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = clean_environment(server_environment(home, database, port, auth_string))
    start_process(home, SERVER, command, environment, root)
    wait_until(home, SERVER, lambda: is_healthy(f"http://127.0.0.1:{port}/api"), _BOOT_SECONDS)


def prepare_pools(api: PrefectApi) -> None:
    """Create missing pools and queues, and renew the pools' templates.

    Raises NotReachable if the server rejects our credential.
    """
    with api.client() as client:
        for name in WARM_POOLS:
            _create_pool(client, name, "warm-process", _template())
        _create_pool(client, "train", "process", _process_template())
        for name, priority in QUEUES.items():
            _check_created(client.post("/work_pools/gpu/queues", json={"name": name, "priority": priority}))


def deploy(home: Path, root: Path, api: PrefectApi) -> None:
    """Deploy configs/prefect.yaml, unless the file, the code of the flows and the server's URL are unchanged."""
    path, state, note = root / "configs" / "prefect.yaml", deployed_state(home, root, api), _note(home)
    if was_deployed(home) and note.read_text(encoding="utf-8") == state:
        return
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
    environment = clean_environment(client_environment(home, root, api))
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise PartDidNotStart(f"the deployments of {path.name} were refused: {' '.join(lines[-3:])}")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(state, encoding="utf-8")


def deployed_state(home: Path, root: Path, api: PrefectApi) -> str:
    """Return a hash of all that decides the deployments.

    That is their file, the code of the flows, the models and the profile, of which forms offer the languages, and the
    server's URL.
    """
    settings = load_model_settings(home)
    models = settings.models_config.read_bytes() if settings.models_config.is_file() else b""
    code = b"".join(flow.read_bytes() for flow in sorted((root / "flows").rglob("*.py")))
    path = root / "configs" / "prefect.yaml"
    others = f"{root} {api.url} {settings.profile}".encode()
    return hashlib.sha256(path.read_bytes() + code + models + others).hexdigest()


def was_deployed(home: Path) -> bool:
    """Whether configs/prefect.yaml, of this or an earlier version, was applied from this home."""
    return _note(home).exists()


def _note(home: Path) -> Path:
    return home / "run" / "deployed"


def client_environment(home: Path, root: Path, api: PrefectApi) -> dict[str, str]:
    """Return the environment of workers and flow runs."""
    return api.environment() | {
        "PREFECT_HOME": str(home / "data" / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "0.2",
        "PREFECT_WORKER_PREFETCH_SECONDS": "0",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
        # Runs survive a restart of any server; Prefect's answers 500 while its database is down.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        "TRIPTYCH_PATIENCE_SECONDS": "60",
        "TRIPTYCH_HOME": str(home),
        "TRIPTYCH_ROOT": str(root),
        "TOKENIZERS_PARALLELISM": "false",
        # Spinning threads made generation ten times slower on a busy machine with two cores.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _template() -> dict[str, object]:
    from workers.warm_process import WarmProcessWorker

    return WarmProcessWorker.get_default_base_job_template()


def _process_template() -> dict[str, object]:
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def _create_pool(client: httpx.Client, name: str, kind: str, template: dict[str, object]) -> None:
    """Create a work pool, or give the existing one the template of this version."""
    answer = client.post("/work_pools/", json={"name": name, "type": kind, "base_job_template": template})
    _check_created(answer)
    if answer.status_code == 409:
        client.patch(f"/work_pools/{name}", json={"base_job_template": template}).raise_for_status()


def _check_created(answer: httpx.Response) -> None:
    if answer.status_code in DENIED_STATUSES:
        raise access_denied(str(answer.request.url.copy_with(path="/api")))
    # 409: an earlier start created it.
    if answer.status_code != 409:
        answer.raise_for_status()
