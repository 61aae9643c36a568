"""What the tests share: a real S3 server, stores on it, and the models of the catalogue."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from modalities.operator import ModelSpec
from modalities.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.errors import StorageError

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
_SERVICES = ("s3", "master", "volume", "filer")
_PORTS = (*(f"{name}.port" for name in _SERVICES), "admin.port", *(f"{name}.port.grpc" for name in _SERVICES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("shared_data") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="the staged data set is not beside the checkout"))


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket on a SeaweedFS server that lives as long as the session."""
    folder = tmp_path_factory.mktemp("weed")
    folder.chmod(0o700)
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    tokens = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY", "WEED_JWT_FILER_SIGNING_KEY")
    environment = {
        **os.environ,
        **{name: secrets.token_hex(16) for name in (*tokens, "WEED_JWT_FILER_SIGNING_READ_KEY")},
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "GOMEMLIMIT": "256MiB",
    }
    command = [
        str(Path(sys.executable).parent / "weed"),
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *("-master.resumeState=false", "-master.electionTimeout=1s", "-master.volumeSizeLimitMB=128"),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        bucket = Bucket.connect(
            endpoint=f"127.0.0.1:{ports['s3.port']}",
            access_key=key,
            secret_key=secret,
            name="triptych",
            secure=False,
            region="us-east-1",
        )
        _wait_for(bucket)
        yield bucket
    finally:
        server.kill()  # a polite end waits for idle connections
        server.wait(20)


@pytest.fixture(scope="session")
def s3_endpoint(bucket: Bucket) -> str:
    """host:port of the S3 server."""
    return bucket.endpoint


@pytest.fixture
def project() -> str:
    """A project that no other test uses."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def store(bucket: Bucket, project: str) -> ArtifactStore:
    """The blobs of a project of the test's own."""
    return ArtifactStore(bucket, project)


@pytest.fixture(scope="session")
def modality_store(bucket: Bucket) -> ArtifactStore:
    """One project that all modality tests share."""
    return ArtifactStore(bucket, "modalities")


@pytest.fixture(scope="session")
def weights_locator(tmp_path_factory: pytest.TempPathFactory) -> WeightsLocator:
    return WeightsLocator(ROOT, tmp_path_factory.mktemp("weights"), None)


@pytest.fixture(scope="session")
def starter_models() -> dict[str, ModelSpec]:
    """The entries of configs/models.yaml."""
    document = yaml.safe_load((ROOT / "configs" / "models.yaml").read_text(encoding="utf-8"))
    return {name: ModelSpec(name=name, **entry) for name, entry in document["models"].items()}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The staged data set beside the checkout."""
    return SHARED


def _wait_for(bucket: Bucket) -> None:
    for _ in range(120):
        try:
            bucket.ensure()
            bucket.prove_conditional_writes()
        except StorageError:
            time.sleep(0.25)
        else:
            return
    raise TimeoutError("The S3 server of the tests did not start.")


def _free_ports(count: int) -> list[int]:
    """Below 55536, because the admin port opens another one ten thousand above."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(30_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
    return found
