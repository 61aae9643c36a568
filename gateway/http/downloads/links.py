"""Links to artifacts that work without a token for 15 minutes, through the gateway: for <img> tags and client programs.

A link names the project, the artifact and the time until which it is valid, and is signed with HMAC-SHA256. Where a
public address of the S3 server is configured (TRIPTYCH_S3_PUBLIC_URL), links are presigned S3 URLs instead, so that the
bytes do not pass through the gateway.
"""

import hashlib
import hmac
import time
from urllib.parse import quote

from fastapi import Request

from flows.running.platform import Space
from flows.running.settings import Settings
from gateway.errors import NotAllowed
from storage.artifacts import LINK_LIFETIME, Artifact

PATH = "/files"
_PURPOSE = b"triptych links to artifacts"


def public_url(request: Request, space: Space, artifact: Artifact, name: str) -> str:
    """Return a URL of the bytes at the address under which the client reached the gateway."""
    if space.platform.settings.s3_public_url:
        return space.store.url(artifact, name)
    return f"{str(request.base_url).rstrip('/')}{signed_path(space, artifact, name)}"


def signed_path(space: Space, artifact: Artifact, name: str) -> str:
    """Return the path and query of a link that is valid for 15 minutes."""
    expires = str(int(time.time() + LINK_LIFETIME.total_seconds()))
    signature = _sign(space.platform.settings, space.project, artifact.sha256, name, expires)
    path = f"{PATH}/{space.project}/{artifact.sha256}/{quote(name, safe='')}"
    return f"{path}?expires={expires}&signature={signature}"


def check_link(settings: Settings, project: str, sha256: str, name: str, expires: str, signature: str) -> None:
    """Raise NotAllowed unless the link was signed here, so that its parts are right, and has not expired."""
    if not hmac.compare_digest(signature.encode(), _sign(settings, project, sha256, name, expires).encode()):
        raise NotAllowed("The link is not one of this gateway: ask for a new one.")
    if int(expires) < time.time():
        raise NotAllowed("The link has expired: ask for a new one.")


def _sign(settings: Settings, project: str, sha256: str, name: str, expires: str) -> str:
    key = hmac.digest(settings.s3_secret_key.get_secret_value().encode(), _PURPOSE, hashlib.sha256)
    message = "\n".join((project, sha256, expires, quote(name, safe="")))
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()
