"""Fixtures of the flow tests: the samples, and run contexts on real servers and real models, in this process."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.cli.uploads import upload
from storage.bucket import Bucket
from tests.paths import SAMPLES


@pytest.fixture
def samples() -> Path:
    """The freely licensed files that the demo runs on."""
    return SAMPLES


@pytest.fixture
def context(platform: Platform, project: str) -> RunContext:
    """A run context in a project of the test's own."""
    return local_context(platform.space(project))


@pytest.fixture
def cold_context(settings: Settings, project: str) -> Iterator[RunContext]:
    """A run context of the same project whose platform has loaded no model."""
    platform = Platform(settings)
    yield local_context(platform.space(project))
    platform.index.close()


@pytest.fixture
def send(platform: Platform) -> Callable[..., list[str]]:
    """A function that uploads files to tmp/, as the command line does, and returns their keys in order."""
    return lambda files: upload_files(platform.bucket, files)


def upload_files(bucket: Bucket, files: Sequence[Path]) -> list[str]:
    keys = upload(bucket, files)
    by_path = {path: key for key, path in keys.items()}
    return [by_path[path] for path in files]
