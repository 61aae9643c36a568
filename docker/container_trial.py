"""Run the services of compose.yaml with buildah on this machine: used by try_images.py."""

import re
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stack.processes import clean_environment, free_ports, start_process, stop_process, wait_until
from stack.servers import postgres, seaweed
from storage.bucket import Bucket

BUILDAH = ("buildah", "--storage-driver", "overlay")
_USER = 10001
_READY_SECONDS = 300.0


class Trial:
    """The containers of compose.yaml on the host's network, each with free ports in the place of its own."""

    def __init__(
        self,
        folder: Path,
        services: Mapping[str, Any],
        secrets: Mapping[str, str],
        ports: Mapping[str, int],
        stack: ExitStack,
    ) -> None:
        self.failures: list[str] = []
        self.data = folder / "data"
        self._folder, self.services, self._secrets, self._ports, self._stack = folder, services, secrets, ports, stack
        self._containers: dict[str, str] = {}
        self._own_ports: dict[str, tuple[int, int]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._volume(self.data)

    def environment(self, service: str) -> dict[str, str]:
        """The variables that the compose file gives the service, for this machine."""
        found = {name: self._filled(str(value)) for name, value in self.services[service]["environment"].items()}
        if service.startswith("worker"):
            health, status = self._own_ports.setdefault(service, (free_ports(2)[0], free_ports(2)[1]))
            found |= {"PREFECT_WORKER_WEBSERVER_PORT": str(health), "WARM_PROCESS_STATUS_PORT": str(status)}
        return found

    def once(self, service: str, mounts: Mapping[str, str] | None = None) -> None:
        """Run a service that ends."""
        command = [self._here(word) for word in self.services[service]["command"]]
        self._check(service, subprocess.run(self._command(service, command, mounts or {"data": "/data"}), check=False))

    def start(self, service: str) -> None:
        """Start a service that does not end, with the command of the compose file or of its image."""
        image = ["python", "-m", "gateway.server", "--host", "0.0.0.0", "--port", "8000"]  # noqa: S104
        command = [self._here(word) for word in self.services[service].get("command", image)]
        with (self._folder / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(self._command(service, command, {"data": "/data"}), stdout=log, stderr=log)
        self._running[service] = process
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def wait(self, service: str) -> None:
        """Run the service's health check until it succeeds."""
        deadline = time.monotonic() + _READY_SECONDS
        check = self._health_check(service)
        while time.monotonic() < deadline and self._running[service].poll() is None:
            done = subprocess.run(self._command(service, check, {"data": "/data"}), capture_output=True, check=False)
            if done.returncode == 0:
                say(f"{service}: healthy")
                return
            time.sleep(2)
        log = (self._folder / f"{service}.log").read_text(encoding="utf-8", errors="replace")
        self._fail(f"{service} is not healthy:\n{log[-3000:]}")

    def inside(self, service: str, *command: str) -> None:
        """Run a command in the container of a service, as `compose exec` does."""
        done = subprocess.run(self._command(service, command, {"data": "/data"}), check=False)
        self._check(f"{service}: {' '.join(command)}", done)

    def _health_check(self, service: str) -> list[str]:
        told = self.services[service].get("healthcheck", {}).get("test")
        port = str(self._own_ports[service][0]) if service in self._own_ports else str(self._ports["gateway"])
        if told:
            return [self._here(word) for word in told[1:]]
        return [
            "python",
            "-c",
            f"from urllib.request import urlopen; urlopen('http://127.0.0.1:{port}/health', timeout=4)",
        ]

    def _command(self, service: str, command: Sequence[str], mounts: Mapping[str, str]) -> list[str]:
        if service not in self._containers:
            image = self.services[service]["image"].split(":")[0]
            name = run(*BUILDAH, "from", f"localhost/{image}:tried").strip()
            self._containers[service] = name
            self._stack.callback(run, *BUILDAH, "rm", name)
        variables = [f"--env={name}={value}" for name, value in self.environment(service).items()]
        volumes = [f"--volume={self._volume(self._folder / name)}:{where}" for name, where in mounts.items()]
        options = ("--isolation=chroot", "--network=host", "--cap-drop=all", f"--user={_USER}:{_USER}")
        return [*BUILDAH, "run", *options, *variables, *volumes, self._containers[service], "--", *command]

    def _volume(self, folder: Path) -> Path:
        if not folder.exists():
            folder.mkdir()
            run("chown", f"{_USER}:{_USER}", str(folder))
        return folder

    def _filled(self, text: str) -> str:
        """Fill in the variables of a value of the compose file."""

        def fill(found: re.Match[str]) -> str:
            name, default = found.group(1), found.group(2) or ""
            return self._secrets.get(name) or default.removeprefix(":-")

        return self._here(re.sub(r"\$\{(\w+)(:-[^}]*)?(?::\?[^}]*)?\}", fill, text))

    def _here(self, text: str) -> str:
        """Replace names and ports of services by those on this machine."""
        for name, port in (("postgres", 5432), ("prefect", 4200), ("gateway", 8000)):
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{self._ports[name]}")
            text = re.sub(rf"(127\.0\.0\.1:|^){port}\b", rf"\g<1>{self._ports[name]}", text)
        return text.replace("s3.localhost:8333", f"127.0.0.1:{self._ports['s3']}").replace("0.0.0.0", "127.0.0.1")  # noqa: S104

    def _check(self, what: str, done: subprocess.CompletedProcess[Any]) -> None:
        if done.returncode:
            self._fail(f"{what} ended with {done.returncode}")
        else:
            say(f"{what}: done")

    def _fail(self, sentence: str) -> None:
        self.failures.append(sentence)
        say(f"FAILED: {sentence}")


@contextmanager
def s3_server(folder: Path, trial: Trial, ports: Mapping[str, int]) -> Generator[None]:
    """The S3 server with the command of the compose file, from the installed package."""
    here = {"dir": folder / "s3", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", **ports}
    kept = [flag for flag in trial.services["s3"]["command"][1:] if flag[1:].split("=")[0] not in here]
    (folder / "s3").mkdir()
    told = {name: str(value) for name, value in trial.environment("s3").items()}
    secrets = f"{folder / 's3-secrets'}/"
    command = [str(Path(sys.executable).parent / "weed"), "mini", *kept, *(f"-{n}={v}" for n, v in here.items())]
    start_process(
        folder,
        "s3",
        [word.replace("/run/s3/", secrets) for word in command],
        clean_environment({name: value.replace("/run/s3/", secrets) for name, value in told.items()}),
        folder,
    )
    keys = trial.environment("deploy")
    bucket = Bucket.connect(
        endpoint=keys["TRIPTYCH_S3_ENDPOINT"],
        access_key=keys["TRIPTYCH_S3_ACCESS_KEY"],
        secret_key=keys["TRIPTYCH_S3_SECRET_KEY"],
        name="triptych",
        secure=False,
        region="us-east-1",
    )
    try:
        wait_until(folder, "s3", lambda: seaweed.answers(bucket), 60)
        yield
    finally:
        stop_process(folder, "s3")


@contextmanager
def postgres_server(folder: Path, port: int, password: str) -> Generator[None]:
    """Postgres, from the installed package."""
    try:
        postgres.start_postgres(folder / "postgres", port=port, password=password)
        yield
    finally:
        stop_process(folder / "postgres", postgres.NAME, postgres.STOP_SIGNAL)


def run(*command: str) -> str:
    """Run a command and return what it wrote; exit if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} … ended with {done.returncode}")
    return done.stdout


def say(sentence: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
