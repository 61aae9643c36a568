"""Writes what the S3 server of the containers knows by itself: its identities, and the certificates of its parts.

    python docker/s3_secrets.py FOLDER

As `triptych up` does on one machine: an administrator, a worker and a gateway, each with the least rights. The folder
is mounted into the S3 server alone, whose user is another one than ours: everybody there may read it.
"""

import sys
from os import environ
from pathlib import Path

from pydantic import SecretStr

from flows.running.settings import Settings
from gateway.cli.terminal import say
from stack.servers.certificates import make_certificates
from stack.servers.s3_rights import ROLES, Identity, write_identities

IDENTITIES = "identities.json"


def main() -> None:
    """Write the files. Ends with one sentence when a key is not in the environment."""
    folder = Path(sys.argv[1])
    try:
        admin, *others = [_keys(role) for role in ("", *(f"{role.upper()}_" for role in ROLES))]
    except KeyError as missing:
        say(f"{missing.args[0]} is not set: make docker/.env with `sh docker/new-env.sh`.")
        sys.exit(1)
    identities = [Identity(role, keys[0], SecretStr(keys[1])) for role, keys in zip(ROLES, others, strict=True)]
    bucket = environ.get("TRIPTYCH_BUCKET") or str(Settings.model_fields["bucket"].default)
    make_certificates(folder)
    write_identities(folder / IDENTITIES, bucket, admin, identities)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _keys(role: str) -> tuple[str, str]:
    return environ[f"TRIPTYCH_S3_{role}ACCESS_KEY"], environ[f"TRIPTYCH_S3_{role}SECRET_KEY"]


if __name__ == "__main__":
    main()
