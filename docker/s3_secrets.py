"""Write the identities file and the TLS certificates of the containers' S3 server.

    python docker/s3_secrets.py FOLDER

The identities are those of `triptych up`: administrator, worker and gateway, with least privilege. The files are
world-readable because the S3 server runs as another user; the folder is mounted into its container only.
"""

import sys
from os import environ, geteuid
from pathlib import Path

from pydantic import SecretStr

from flows.running.settings import Settings
from gateway.cli.terminal import say
from stack.servers.certificates import make_certificates
from stack.servers.s3_rights import ROLES, Identity, write_identities

IDENTITIES = "identities.json"


def main() -> None:
    """Write the files. Exits with one sentence if a key is missing in the environment."""
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
    # In Kubernetes the folder belongs to root, who lets this user's group in: only an owner changes permissions.
    for path in (folder, *folder.iterdir()):
        if path.stat().st_uid == geteuid():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _keys(role: str) -> tuple[str, str]:
    return environ[f"TRIPTYCH_S3_{role}ACCESS_KEY"], environ[f"TRIPTYCH_S3_{role}SECRET_KEY"]


if __name__ == "__main__":
    main()
