"""Models are loaded once, admitted by the memory that they were measured to take, and go when others need it."""

import gc
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from flows.running.platform import Platform
from modalities.answers import Answers
from modalities.contract import no_progress
from modalities.errors import NotEnoughMemory
from modalities.models.admission import Bounds, Room
from modalities.models.measured_memory import Footprints
from modalities.models.memory import Memory, is_out_of_memory
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.recipes import RecipeStore
from tests.modalities.models.ballast import MEGABYTE, Ballast, Weigh, ballast

THREE = {name: {"megabytes": 40} for name in ("red", "green", "blue")}


def pool_of(
    folder: Path, bounds: Bounds | None = None, bucket: Bucket | None = None, **models: dict[str, int]
) -> OperatorPool:
    Ballast.loads.clear()
    locator = WeightsLocator(folder, folder / "cache", None)
    return OperatorPool(ballast(folder, **models), locator, bounds, Footprints(bucket) if bucket else None)


def limit(megabytes: int) -> Bounds:
    return Bounds(memory_bytes=megabytes * MEGABYTE)


def use(pool: OperatorPool, *models: str) -> None:
    for model in models:
        with pool.operator(model) as operator:
            operator([Weigh(model=model)], None, no_progress)  # type: ignore[arg-type]


def names(pool: OperatorPool) -> list[str]:
    return sorted(model.name for model in pool.loaded())


def test_a_model_is_loaded_once_by_however_many_ask_at_once(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, red={"megabytes": 20})
    threads = [threading.Thread(target=use, args=(pool, "red")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Ballast.loads == ["red"]


def test_a_model_is_measured_and_not_believed(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, red={"megabytes": 60, "memory_mb": 1})
    use(pool, "red")
    assert pool.loaded()[0].memory_bytes == pytest.approx(60 * MEGABYTE, rel=0.1)


def test_garbage_that_goes_meanwhile_does_not_make_a_model_look_small(tmp_path: Path) -> None:
    gc.disable()
    try:
        garbage: list[object] = [bytearray(b"x" * 80 * MEGABYTE)]
        garbage.append(garbage)
        del garbage
        pool = pool_of(tmp_path, red={"megabytes": 60, "collects": 1})
        use(pool, "red")
    finally:
        gc.enable()
    assert pool.loaded()[0].memory_bytes == pytest.approx(60 * MEGABYTE, rel=0.1)


def test_the_longest_unused_model_goes_first(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(100), **THREE)
    use(pool, "red", "green", "red", "blue")
    assert names(pool) == ["blue", "red"]
    assert Ballast.loads == ["red", "green", "blue"]


def test_what_a_model_takes_while_it_runs_counts_when_it_is_admitted(tmp_path: Path) -> None:
    models = {"red": {"megabytes": 40}, "busy": {"megabytes": 20, "working": 60, "memory_mb": 20}}
    pool = pool_of(tmp_path, limit(100), **models)
    use(pool, "red", "busy")
    assert names(pool) == ["busy", "red"], "nobody knew yet"
    use(pool_again := pool_of(tmp_path, limit(100), **models), "busy", "red")
    assert names(pool_again) == ["busy", "red"], "an idle model counts with what it holds"


def test_a_footprint_is_remembered_in_the_bucket_for_other_machines(tmp_path: Path, bucket: Bucket) -> None:
    models = {"red": {"megabytes": 40, "working": 50, "memory_mb": 1}}
    use(pool_of(tmp_path, bucket=bucket, **models), "red")
    digest = WeightsLocator(tmp_path, tmp_path / "cache", None).digest(ballast(tmp_path, **models).spec("red"))
    kept = [found.key for found in bucket.objects(f"footprints/{digest}/")]
    assert [key.rsplit("/", 1)[1].split("-")[0] for key in kept] == ["cpu"]
    elsewhere = pool_of(tmp_path, limit(80), bucket=bucket, **models)
    with pytest.raises(NotEnoughMemory, match=r"The model red needs 0\.\d\d GB, and models may take 0\.08 GB here"):
        use(elsewhere, "red")
    assert Ballast.loads == [], "it failed at once"


def test_a_model_that_can_never_fit_fails_at_once_and_leaves_the_others_loaded(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(100), red={"megabytes": 40}, huge={"megabytes": 5, "memory_mb": 5000})
    use(pool, "red")
    with pytest.raises(NotEnoughMemory, match=r"needs 5\.00 GB, and models may take 0\.10 GB"):
        use(pool, "huge")
    assert names(pool) == ["red"]


def test_a_batch_with_a_model_that_can_never_fit_fails_before_anything_runs(
    tmp_path: Path, store: ArtifactStore, project: str, platform: Platform
) -> None:
    pool = pool_of(tmp_path, limit(100), red={"megabytes": 40}, huge={"megabytes": 5, "memory_mb": 5000})
    answers = Answers(pool, store, RecipeStore(store.bucket, project), platform.claims)
    with pytest.raises(NotEnoughMemory):
        answers.run_all([Weigh(model="red"), Weigh(model="huge")])
    assert Ballast.loads == []
    assert answers.run(Weigh(model="red")).megabytes == 40


def test_a_model_that_is_larger_than_it_said_is_let_go_and_refused_from_then_on(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(30), red={"megabytes": 60, "memory_mb": 1})
    for _ in range(2):
        with pytest.raises(NotEnoughMemory, match=r"needs 0\.06 GB"):
            use(pool, "red")
    assert Ballast.loads == ["red"]
    assert names(pool) == []


def test_what_is_let_go_returns_to_the_system(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(220), red={"megabytes": 200}, green={"megabytes": 50, "memory_mb": 50})
    use(pool, "red")
    before = psutil.Process().memory_info().rss
    use(pool, "green")
    assert psutil.Process().memory_info().rss < before - 100 * MEGABYTE


def test_memory_that_runs_out_is_one_sentence_and_the_next_run_works(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, red={"megabytes": 1, "asks": 1}, green={"megabytes": 1})
    use(pool, "green")
    with pytest.raises(NotEnoughMemory, match="Memory ran out with the model red"):
        use(pool, "red")
    assert Ballast.loads == ["green", "red", "red"], "once more, when everything idle was gone"
    use(pool, "green")


def test_a_model_waits_for_one_that_is_in_use(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(60), red={"megabytes": 40}, green={"megabytes": 40, "memory_mb": 40})
    other = threading.Thread(target=use, args=(pool, "green"))
    with pool.operator("red"):
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert Ballast.loads == ["red"]
    other.join(30)
    assert names(pool) == ["green"]


def test_the_memory_of_the_gpu_is_a_bound_of_its_own() -> None:
    room = Room(Bounds(memory_bytes=10**10, cuda_bytes=8 * 10**9))
    room.check("sdxl", Memory(resident=10**9, cuda=7 * 10**9))
    with pytest.raises(NotEnoughMemory, match=r"needs 1.00 GB and 9.00 GB of the GPU, and .* 10.00 GB and 8.00 GB"):
        room.check("sdxl", Memory(resident=10**9, cuda=9 * 10**9))


def test_errors_of_the_libraries_that_mean_memory_are_told_from_others() -> None:
    said = (
        "CUDA failed with error out of memory",
        "[enforce fail] DefaultCPUAllocator: can't allocate memory",
    )
    assert all(is_out_of_memory(RuntimeError(words)) for words in said)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_an_unused_model_is_let_go_after_a_while_and_loads_again(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, Bounds(idle_seconds=0.3), **THREE)
    use(pool, "red")
    with pool.operator("green"):
        _wait_until(pool, ["green"])
        time.sleep(0.4)
        assert names(pool) == ["green"], "a model in use is not idle"
    _wait_until(pool, [])
    use(pool, "red")
    assert Ballast.loads == ["red", "green", "red"]


def _wait_until(pool: OperatorPool, wanted: Sequence[str], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while names(pool) != wanted:
        assert time.monotonic() < deadline, names(pool)
        time.sleep(0.02)
