"""The embedded S3 server: SeaweedFS in one process, closed to everybody without credentials.

What the flags close was measured: the filer's own port serves objects anonymously until it wants signed tokens, secrets
in a configuration file can be read over gRPC, telemetry is on by default. Secrets travel in the environment only.
"""

import sys
from pathlib import Path

from gateway.processes import accepts, clean_environment, start_process, wait_until
from storage.bucket import Bucket
from storage.errors import StorageError

NAME = "s3"
PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
)
_TOKENS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
_BOOT_SECONDS = 60.0


def start_seaweed(home: Path, *, ports: dict[str, int], bucket: Bucket, keys: tuple[str, str], token: str) -> None:
    """Start the server and wait until a PUT is answered. `keys` are the S3 access and secret key."""
    data = home / "data" / "s3"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    command = [
        str(Path(sys.executable).parent / "weed"),
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}={ports[name]}" for name in PORTS),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.telemetry=false", "-master.resumeState=false", "-master.electionTimeout=1s"),
        *("-master.volumeSizeLimitMB=128", "-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
        *(f"-{part}.concurrentUploadLimitMB=64" for part in ("s3", "filer", "volume")),
    ]
    secrets = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "GOMEMLIMIT": "512MiB"}
    environment = clean_environment(secrets | dict.fromkeys(_TOKENS, token))
    start_process(home, NAME, command, environment, data)
    wait_until(home, NAME, lambda: answers(bucket), _BOOT_SECONDS)


def answers(bucket: Bucket) -> bool:
    """Whether the bucket exists, or could be made, and keeps conditional writes."""
    host, _, port = bucket.endpoint.partition(":")
    if not accepts(host, int(port)):  # the client would try for seconds, and log each time
        return False
    try:
        bucket.ensure()
        bucket.prove_conditional_writes()
    except StorageError:
        return False
    return True
