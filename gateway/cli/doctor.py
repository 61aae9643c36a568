"""Check this machine, the models and the stack; each failed check says what to do."""

import shutil
import sys
from collections.abc import Callable, Iterator

import psutil
from pydantic import BaseModel

from flows.running.errors import EXPECTED, NotReachable
from flows.running.platform import Platform
from flows.running.prefect_api import DENIED_STATUSES, access_denied, api_of, is_healthy
from flows.running.settings import SettingsMissing, default_home, load_settings
from gateway.errors import GatewayError
from stack import lifecycle

_DISK_GB, _MEMORY_GB = 5, 4


class Finding(BaseModel):
    """The result of one check."""

    what: str
    well: bool
    detail: str


def examine() -> Iterator[Finding]:
    """Run all checks, those of the machine first."""
    yield _python()
    yield _disk()
    yield _memory()
    try:
        platform = Platform(load_settings())
    except SettingsMissing as error:
        yield Finding(what="stack", well=False, detail=str(error))
        return
    yield from _parts()
    yield _check("S3", lambda: _s3(platform))
    yield _check("index", lambda: _index(platform))
    yield _check("Prefect", lambda: _prefect(platform))
    for model in platform.catalogue.profile.models():
        yield _check(f"model {model}", lambda model=model: f"weights {platform.pool.digest(model)[:16]}")


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding(what="Python", well=fits, detail=f"{version}; 3.11, 3.12 or 3.13 is needed")


def _disk() -> Finding:
    home = default_home()
    free = shutil.disk_usage(home if home.exists() else home.parent).free / 1e9
    return Finding(what="disk", well=free > _DISK_GB, detail=f"{free:.0f} GB free; keep {_DISK_GB} GB")


def _memory() -> Finding:
    available = psutil.virtual_memory().available / 1e9
    return Finding(
        what="memory", well=available > _MEMORY_GB, detail=f"{available:.0f} GB available; {_MEMORY_GB} GB are needed"
    )


def _parts() -> Iterator[Finding]:
    for part in lifecycle.status().parts:
        detail = f"runs as process {part.pid}" if part.running else "does not run: start it with `triptych up`"
        yield Finding(what=part.name, well=part.running, detail=detail)


def _s3(platform: Platform) -> str:
    platform.bucket.check_conditional_writes()
    return f"{platform.bucket.endpoint} answers and keeps conditional writes"


def _index(platform: Platform) -> str:
    counts = platform.index.counts("default")
    return f"{sum(counts.values())} parts of the default project can be found"


def _prefect(platform: Platform) -> str:
    api = api_of(platform.settings)
    if not is_healthy(api.url):
        raise NotReachable(f"{api.url} does not answer: start it with `triptych up`")
    with api.client() as client:
        if client.post("/work_pools/filter", json={"limit": 1}).status_code in DENIED_STATUSES:
            raise access_denied(api.url)
    return f"{api.url} answers and lets us in"


def _check(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, well=True, detail=check())
    except (*EXPECTED, GatewayError) as error:
        return Finding(what=what, well=False, detail=str(error))
