"""Start the embedded S3 server: SeaweedFS in one process, hardened against clients without credentials.

By default the filer's port serves objects anonymously (closed by signed tokens), gRPC lists files and the identities'
secrets (closed by mutual TLS), the master issues volume tokens over HTTP (closed by mutual TLS), and telemetry is on
(disabled). Still open are /healthz of S3, filer and volume, and /status of S3 (empty) and volume (disk use, no names).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from stack.processes import clean_environment, http_status, is_listening, start_process, wait_until
from stack.servers.certificates import AUTHORITY, CERTIFICATE, KEY, make_certificates
from stack.servers.s3_rights import Identity, write_identities
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
TOKEN_VARIABLES = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "CLIENT")
_HTTPS_PARTS = ("MASTER", "ADMIN")
"""The parts whose HTTP API has no tokens. Mutual TLS on all parts made reading 1 MB take 1.5 times as long."""
_BOOT_SECONDS = 60.0


def start_seaweed(
    home: Path,
    *,
    ports: dict[str, int],
    bucket: Bucket,
    keys: tuple[str, str],
    token: str,
    identities: Sequence[Identity] = (),
) -> None:
    """Start the server and wait until a PUT is answered. `keys` are the administrator's access and secret key."""
    data = home / "data" / "s3"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    certificates, identities_file = home / "run" / "s3-certificates", home / "run" / "s3-identities.json"
    make_certificates(certificates)
    write_identities(identities_file, bucket.name, keys, identities)
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
        f"-s3.config={identities_file}",
    ]
    settings = {"GOMEMLIMIT": "512MiB"} | dict.fromkeys(TOKEN_VARIABLES, token) | mutual_tls(certificates)
    environment = clean_environment(settings)
    start_process(home, NAME, command, environment, data)
    wait_until(home, NAME, lambda: answers(bucket), _BOOT_SECONDS)


def mutual_tls(folder: Path) -> dict[str, str]:
    """Return the variables that enable mutual TLS between the parts."""
    authority, certificate, key = (str(folder / name) for name in (AUTHORITY, CERTIFICATE, KEY))
    variables = {"WEED_GRPC_CA": authority}
    for part in _GRPC_PARTS:
        variables |= {f"WEED_GRPC_{part}_CERT": certificate, f"WEED_GRPC_{part}_KEY": key}
    for part in _HTTPS_PARTS:
        variables |= {f"WEED_HTTPS_{part}_CERT": certificate, f"WEED_HTTPS_{part}_KEY": key}
        variables |= {f"WEED_HTTPS_{part}_CA": authority}
    return variables


def is_healthy(endpoint: str) -> bool:
    """Whether the S3 server answers its health check, which needs no credential."""
    return http_status(f"http://{endpoint}/healthz") == 200


def answers(bucket: Bucket) -> bool:
    """Create the bucket if it is missing; return whether it supports conditional writes."""
    host, _, port = bucket.endpoint.partition(":")
    if not is_listening(host, int(port)):  # the S3 client would retry for seconds and log each attempt
        return False
    try:
        bucket.ensure()
        bucket.check_conditional_writes()
    except StorageError:
        return False
    return True
