"""The S3 policies of each role (least privilege), and the identities file of SeaweedFS.

The policies are AWS IAM documents, which AWS, MinIO and SeaweedFS all accept.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

Role = Literal["worker", "gateway"]
ROLES: tuple[Role, ...] = ("worker", "gateway")
EVERY_PROJECT = "*"
_READ = ["s3:GetObject"]
_WRITE = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


@dataclass(frozen=True)
class Identity:
    """The S3 keys of a role, and the projects that it has access to."""

    role: Role
    access_key: str
    secret_key: SecretStr
    projects: tuple[str, ...] = (EVERY_PROJECT,)


def policy(role: Role, bucket: str, projects: Sequence[str] = (EVERY_PROJECT,)) -> dict[str, Any]:
    """Return the IAM policy of a role. Only the administrator deletes content, writes models or changes the bucket.

    Both roles may delete in inbox/ and tmp/, since files are moved out of there. Only the gateway may access gateway/
    (tokens) and write to inbox/.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        _allow(
            _READ,
            [
                *_keys_under(arn, "inbox", "quarantine", "tmp", "models", "footprints", *projects),
                f"{arn}/format.json",
            ],
        ),
        _allow(_WRITE, _keys_under(arn, "quarantine", "tmp", "footprints", *projects)),
        _allow(["s3:DeleteObject"], _keys_under(arn, "inbox", "tmp")),
        _deny(_WRITE, _keys_under(arn, "models")),
    ]
    if role == "gateway":
        statements += [
            _allow(_WRITE, _keys_under(arn, "inbox")),
            _allow([*_READ, *_WRITE, "s3:DeleteObject"], _keys_under(arn, "gateway")),
        ]
    else:
        statements += [_deny(_WRITE, _keys_under(arn, "inbox")), _deny([*_READ, *_WRITE], _keys_under(arn, "gateway"))]
    listing = _allow(["s3:ListBucket"], [arn])
    if EVERY_PROJECT not in projects:
        folders = ("inbox", "quarantine", "tmp", "models", "footprints", *projects)
        listing |= {"Condition": {"StringLike": {"s3:prefix": [f"{folder}/*" for folder in folders]}}}
    return {"Version": "2012-10-17", "Statement": [*statements, listing]}


def write_identities(path: Path, bucket: str, admin: tuple[str, str], identities: Sequence[Identity]) -> None:
    """Write SeaweedFS's identities file with mode 0600."""
    entries: list[dict[str, Any]] = [
        {"name": "admin", "credentials": [_keys(*admin)], "actions": ["Admin"]},
        *(
            {
                "name": identity.role,
                "credentials": [_keys(identity.access_key, identity.secret_key.get_secret_value())],
                "policyNames": [identity.role],
            }
            for identity in identities
        ),
    ]
    policies = [
        {"name": identity.role, "content": json.dumps(policy(identity.role, bucket, identity.projects))}
        for identity in identities
    ]
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"identities": entries, "policies": policies}), encoding="utf-8")


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _deny(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return _allow(actions, resources) | {"Effect": "Deny"}


def _keys_under(arn: str, *folders: str) -> list[str]:
    return [f"{arn}/{folder}/*" for folder in folders]


def _keys(access_key: str, secret_key: str) -> dict[str, str]:
    return {"accessKey": access_key, "secretKey": secret_key}
