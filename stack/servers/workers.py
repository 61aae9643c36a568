"""Start the Prefect workers of the embedded stack, one for each work pool."""

import sys
from collections.abc import Mapping
from os import environ
from pathlib import Path

import httpx

from flows.running.context import PERSON_TAG
from flows.running.prefect_api import PrefectApi
from stack.processes import clean_environment, http_status, start_process, wait_until
from stack.servers.prefect import client_environment

_BOOT_SECONDS = 120.0
WORKERS = {"worker-cpu": "cpu", "worker-gpu": "gpu"}
"""The warm workers and their pools."""
TRAINER = "worker-train"
"""The worker of the pool `train`, which starts a process for each training."""
SLOTS = {"cpu": 3, "gpu": 1}
"""The number of warm processes per pool; with GPUs, `gpu` has one on each instead."""
ATTEMPTS = 5
"""Attempts of a run whose process dies, before it stays Crashed; `TRIPTYCH_WARM_PROCESS_ATTEMPTS` overrides it."""


def start_worker(home: Path, root: Path, api: PrefectApi, name: str, environment: Mapping[str, str]) -> None:
    """Start a worker; `environment` has its S3 keys and, for warm workers, the port of its metrics."""
    pool = WORKERS.get(name, "train")
    kind = "warm-process" if name in WORKERS else "process"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", kind, "--name", name]
    variables = client_environment(home, root, api)
    if name in WORKERS:
        variables |= _warm_options(home, name, pool, environment)
    else:
        command += ["--limit", "1"]
        # Trainings can wait some seconds; polling five times a second would waste CPU.
        variables |= {"PREFECT_WORKER_QUERY_SECONDS": "5"} | dict(environment)
    start_process(home, name, command, clean_environment(variables), root)


def _warm_options(home: Path, worker: str, pool: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a warm worker; TRIPTYCH_WARM_PROCESS_… variables override them."""
    preload = ["import_flows", "import_model_libraries"] if pool == "gpu" else ["import_flows"]
    chosen = {
        "WARM_PROCESS_SLOTS": ",".join(_gpus()) if pool == "gpu" and _gpus() else f"cpu:{SLOTS[pool]}",
        "WARM_PROCESS_PRELOAD": ",".join(f"flows.running.preload:{name}" for name in preload),
        "WARM_PROCESS_REPORT": "flows.running.preload:loaded_models",
        "WARM_PROCESS_SHARE_TAG": PERSON_TAG,
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
    """Return the path of the file in which a worker reports its slots."""
    return home / "run" / f"{worker}.status.json"


def _gpus() -> list[str]:
    """Return the indexes of this machine's NVIDIA GPUs."""
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def speaks_http(port: int) -> bool:
    """Whether a worker answers at the port of its metrics, with whatever status."""
    return http_status(f"http://127.0.0.1:{port}/status") is not None


def wait_for_workers(home: Path, api: PrefectApi) -> None:
    """Wait until each warm pool has an online worker."""
    with api.client() as client:

        def online(pool: str) -> bool:
            try:
                found = client.post(f"/work_pools/{pool}/workers/filter", json={}).raise_for_status()
            except httpx.HTTPError:  # a busy server, or one that is just started again
                return False
            return any(worker["status"] == "ONLINE" for worker in found.json())

        for name, pool in WORKERS.items():
            wait_until(home, name, lambda pool=pool: online(pool), _BOOT_SECONDS)
