"""Build the images with buildah, without Docker, and run the command of every container on this machine.

    python docker/try_images.py --debian MIRROR            a base image by debootstrap, where no registry can be reached
    python docker/try_images.py --base IMAGE --mount /etc/ssl/certs:/etc/ssl/certs:ro

It needs root, buildah (and debootstrap), 25 GB of disk, and the checkout's own Python. The services of compose.yaml
that are not ours run from installed packages, S3 with the command of the compose file. Each of ours runs with its
command, its environment and its user in a container of its own, on the host's network; then its health check,
`triptych doctor`, an ingest and a search. Exits with 1 if one of them fails. The images stay: `buildah rmi --all`
removes them.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from container_trial import BUILDAH, Trial, postgres_server, run, s3_server, say  # noqa: E402

from stack.processes import free_ports  # noqa: E402
from stack.servers import seaweed  # noqa: E402

_INCLUDED = "python3,python3-pip,python3-venv,python-is-python3,ca-certificates"
_FOR_EVER = ("prefect", "worker-cpu", "worker-gpu", "worker-train", "gateway")


def main() -> int:
    """Build, run, and report; return the exit status."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="triptych-images-", dir=given.folder) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        base = given.base or _debian(folder, given.debian)
        _build(base, "uv", given, ())
        # buildah 1.28 does not mount a stage that it finds in its cache, as `uv` is now.
        with _mounted(_image("uv")) as uv:
            for target in ("gateway", "worker"):
                _build(base, target, given, (f"{uv}/uv:/uv:ro",))
        return _try(folder, given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument("--base", help="An image with Python 3.11, 3.12 or 3.13 and pip.")
    base.add_argument("--debian", metavar="MIRROR", help="Make the base image from this Debian mirror.")
    parser.add_argument("--mount", action="append", default=[], help="HOST:CONTAINER:ro, while images are built.")
    parser.add_argument("--build-arg", action="append", default=[], help="NAME=VALUE, as for docker build.")
    parser.add_argument("--folder", type=Path, help="Where to work; a temporary folder otherwise.")
    return parser.parse_args()


def _debian(folder: Path, mirror: str) -> str:
    """Make a base image of Debian 12 with its Python."""
    root, image = folder / "debian", "localhost/triptych-base:tried"
    run("debootstrap", "--variant=minbase", f"--include={_INCLUDED}", "bookworm", str(root), mirror)
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    container = run(*BUILDAH, "from", "scratch").strip()
    run(*BUILDAH, "copy", "--quiet", container, str(root), "/")
    run(*BUILDAH, "commit", "--quiet", "--rm", container, image)
    return image


def _build(base: str, target: str, given: argparse.Namespace, mounted: Sequence[str]) -> None:
    arguments = [f"--build-arg={each}" for each in (f"BASE={base}", *given.build_arg)]
    mounts = [f"--volume={each}" for each in (*given.mount, *mounted)]
    options = ("--isolation=chroot", "--network=host", "--layers", "--format=docker", f"--target={target}")
    ignored = f"--ignorefile={ROOT / 'docker' / 'Dockerfile.dockerignore'}"
    file = f"--file={ROOT / 'docker' / 'Dockerfile'}"
    run(*BUILDAH, "bud", *options, *arguments, *mounts, ignored, file, f"--tag={_image(target)}", str(ROOT))
    say(f"{_image(target)}: {_size_mb(_image(target))} MB")


def _image(target: str) -> str:
    return f"localhost/triptych-{target}:tried"


@contextmanager
def _mounted(image: str) -> Generator[str]:
    """The file system of an image, as a folder."""
    container = run(*BUILDAH, "from", image).strip()
    try:
        yield run(*BUILDAH, "mount", container).strip()
    finally:
        run(*BUILDAH, "rm", container)


def _size_mb(image: str) -> int:
    document = yaml.safe_load(run(*BUILDAH, "images", "--json", image))
    return round(float(re.sub(r"[^0-9.]", "", document[0]["size"])) * (1000 if "GB" in document[0]["size"] else 1))


def _try(folder: Path, given: argparse.Namespace) -> int:
    """Run every service; return 1 if one fails."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    ports: dict[str, int] = dict(zip(("postgres", "prefect", "gateway"), free_ports(3), strict=True))
    run("sh", str(ROOT / "docker" / "new-env.sh"), str(folder / "env"))
    secrets = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines() if re.match(r"\w+=", line))
    s3 = free_ports(len(seaweed.PORTS))
    ports["s3"] = dict(zip(seaweed.PORTS, s3, strict=True))["s3.port"]
    with ExitStack() as stack:
        trial = Trial(folder, services, secrets, ports, stack)
        trial.once("s3-secrets", mounts={"s3-secrets": "/data"})
        stack.enter_context(s3_server(folder, trial, dict(zip(seaweed.PORTS, s3, strict=True))))
        stack.enter_context(postgres_server(folder, ports["postgres"], secrets["TRIPTYCH_STACK_POSTGRES_PASSWORD"]))
        trial.start("prefect")
        trial.wait("prefect")
        trial.once("deploy")
        for service in _FOR_EVER[1:]:
            trial.start(service)
        for service in _FOR_EVER[1:]:
            trial.wait(service)
        trial.inside("gateway", "triptych", "doctor")
        trial.inside("worker-gpu", "triptych", "doctor")
        (trial.data / "in").mkdir()
        (trial.data / "in" / "note.txt").write_text("The market is full of pumpkins in autumn.", encoding="utf-8")
        trial.inside("gateway", "triptych", "ingest", "/data/in")
        trial.inside("gateway", "triptych", "search", "pumpkins")
        return 1 if trial.failures else 0


if __name__ == "__main__":
    sys.exit(main())
