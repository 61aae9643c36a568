"""Two concurrent runs over one inbox share the work, and no request is answered twice."""

import json
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from uuid import uuid4

import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from tests.faults.conftest import Files, picture
from tests.faults.scenario import run_inbox

_FILES = 200


@pytest.mark.timeout(600)
def test_two_concurrent_runs_over_200_files_ask_each_request_once(
    processes: ForkServerContext,
    stub_settings: Settings,
    stub_platform: Platform,
    bucket: Bucket,
    drop: Callable[[str, Files], None],
    tmp_path: Path,
) -> None:
    project = f"two-{uuid4().hex[:8]}"
    pictures = {f"{number:03}.png": picture(number, 24) for number in range(_FILES // 2)}
    texts = {f"{number:03}.txt": f"Note {number}: the river rises.".encode() for number in range(_FILES // 2)}
    drop(project, pictures | texts)
    barrier = processes.Barrier(2)
    runs = [
        processes.Process(target=run_inbox, args=(stub_settings, tmp_path / f"log{number}", None, project, barrier))
        for number in (1, 2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(500)
        assert run.exitcode == 0
    asked = Counter((tmp_path / "calls").read_text(encoding="utf-8").splitlines())
    assert len(asked) == _FILES
    assert set(asked.values()) == {1}
    space = stub_platform.space(project)
    read = [kept for kept in space.recipes.read_all()[0] if kept.recipe.operator.endswith(":ReadContents")]
    assert len(space.recipes.read_all()[0]) == _FILES + len(read)
    assert len({kept.recipe.model_dump_json() for kept in read}) == len(read)
    assert len(list(space.records.all())) == _FILES
    assert space.index.counts(project) == {"image": _FILES // 2, "text": _FILES // 2}
    assert not list(bucket.objects(f"inbox/{project}/"))
    shares = [Counter((tmp_path / f"log{number}").read_text(encoding="utf-8").splitlines()) for number in (1, 2)]
    removed = [share["remove_if inbox"] for share in shares]
    assert sum(removed) == _FILES
    assert min(removed) > 0, "both took part; how many files each takes depends on timing"
    assert {json.loads(request)["model"] for request in asked} == {"stub-embedder"}
