"""Concurrent clients: short runs of benchmarks/gateway_load.py and faults/strangers.py."""

from pathlib import Path

import pytest

from benchmarks.faults import strangers
from benchmarks.gateway_load import run
from flows.running.platform import open_platform
from flows.running.settings import Settings


@pytest.mark.serial
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_concurrent_requests_are_answered_or_get_429(
    stack_home: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH_HOME", str(stack_home))
    open_platform.cache_clear()
    report = run(clients=12, seconds=12, pause=1.0, shares=[0.8, 0.1, 0.1], url=address, warm_up_seconds=4)
    open_platform.cache_clear()
    assert report["errors_other_than_429"] == {}
    assert report["requests"]["search 200"] > 10
    assert report["gateway_mb"]["after"] - report["gateway_mb"]["before"] < 150


@pytest.mark.serial
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_bodies_of_strangers_take_no_memory(stack_settings: Settings) -> None:
    report = strangers.run(stack_settings, strangers=24, megabytes=20)
    assert report["statuses"].keys() <= {401, 413, 0}, report  # 0: the connection was reset before it was read
    assert report["statuses"].get(401, 0) > 0, report
    assert report["gateway_mb"]["peak"] - report["gateway_mb"]["before"] < 60, report
