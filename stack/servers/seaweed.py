"""The embedded S3 server: SeaweedFS in one process, closed to everybody without credentials.

What is closed here was open when it was tried: the filer's own port serves objects anonymously until it wants signed
tokens; over gRPC anybody reads the list of files, and the secrets of the file of identities, until it wants
certificates; the master hands out the tokens of the volumes by HTTP; telemetry is on by default. What stays open are
/healthz of S3, filer and volume, and /status of S3 (empty) and of the volume (disk use, no names).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from stack.processes import accepts, clean_environment, start_process, wait_until
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
TOKENS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "CLIENT")
_HTTPS_PARTS = ("MASTER", "ADMIN")
"""Those whose HTTP knows no tokens. With certificates on all parts, reading 1 MB took half as long again."""
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
    certificates, known = home / "run" / "s3-certificates", home / "run" / "s3-identities.json"
    make_certificates(certificates)
    write_identities(known, bucket.name, keys, identities)
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
        f"-s3.config={known}",
    ]
    told = {"GOMEMLIMIT": "512MiB"} | dict.fromkeys(TOKENS, token) | mutual_tls(certificates)
    environment = clean_environment(told)
    start_process(home, NAME, command, environment, data)
    wait_until(home, NAME, lambda: answers(bucket), _BOOT_SECONDS)


def mutual_tls(folder: Path) -> dict[str, str]:
    """The settings by which the parts ask each other for certificates."""
    authority, certificate, key = (str(folder / name) for name in (AUTHORITY, CERTIFICATE, KEY))
    told = {"WEED_GRPC_CA": authority}
    for part in _GRPC_PARTS:
        told |= {f"WEED_GRPC_{part}_CERT": certificate, f"WEED_GRPC_{part}_KEY": key}
    for part in _HTTPS_PARTS:
        told |= {f"WEED_HTTPS_{part}_CERT": certificate, f"WEED_HTTPS_{part}_KEY": key}
        told |= {f"WEED_HTTPS_{part}_CA": authority}
    return told


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
