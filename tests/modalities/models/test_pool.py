"""Models are loaded once, admitted by their measured memory, and evicted when others need it."""

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
from modalities.errors import NotEnoughMemory, UnknownModel
from modalities.models.memory import Memory, is_out_of_memory
from modalities.models.memory_footprints import FootprintStore
from modalities.models.model_cache import CacheLimits, ModelCache
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.recipes import RecipeStore
from tests.modalities.models.ballast import MEGABYTE, Ballast, Weigh, ballast

THREE = {name: {"megabytes": 40} for name in ("red", "green", "blue")}


def pool_of(
    folder: Path, limits: CacheLimits | None = None, bucket: Bucket | None = None, **models: dict[str, int]
) -> OperatorPool:
    Ballast.loads.clear()
    locator = WeightsLocator(folder, folder / "cache", None)
    return OperatorPool(ballast(folder, **models), locator, limits, FootprintStore(bucket) if bucket else None)


def limit(megabytes: int) -> CacheLimits:
    return CacheLimits(memory_bytes=megabytes * MEGABYTE)


def use(pool: OperatorPool, *models: str) -> None:
    for model in models:
        with pool.operator(model) as operator:
            operator([Weigh(model=model)], None, no_progress)  # type: ignore[arg-type]


def names(pool: OperatorPool) -> list[str]:
    return sorted(model.name for model in pool.loaded())


def test_a_model_is_loaded_once_however_many_threads_ask_for_it(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, red={"megabytes": 20})
    threads = [threading.Thread(target=use, args=(pool, "red")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Ballast.loads == ["red"]


def test_the_measured_memory_of_a_model_counts_and_not_its_catalogue_entry(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, red={"megabytes": 60, "memory_mb": 1})
    use(pool, "red")
    assert pool.loaded()[0].memory_bytes == pytest.approx(60 * MEGABYTE, rel=0.1)


def test_garbage_that_is_collected_during_a_load_does_not_falsify_the_measurement(tmp_path: Path) -> None:
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


def test_the_least_recently_used_model_is_evicted_first(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(100), **THREE)
    use(pool, "red", "green", "red", "blue")
    assert names(pool) == ["blue", "red"]
    assert Ballast.loads == ["red", "green", "blue"]


def test_a_model_is_admitted_by_its_peak_memory_and_charged_less_while_idle(tmp_path: Path) -> None:
    models = {"red": {"megabytes": 40}, "busy": {"megabytes": 20, "working": 60, "memory_mb": 20}}
    pool = pool_of(tmp_path, limit(100), **models)
    use(pool, "red", "busy")
    assert names(pool) == ["busy", "red"], "not measured yet"
    use(pool_again := pool_of(tmp_path, limit(100), **models), "busy", "red")
    assert names(pool_again) == ["busy", "red"], "an idle model is charged its resident memory"


def test_a_footprint_is_stored_in_the_bucket_for_other_machines(tmp_path: Path, bucket: Bucket) -> None:
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


def test_a_model_that_can_never_fit_is_the_error_of_its_own_requests(
    tmp_path: Path, store: ArtifactStore, project: str, platform: Platform
) -> None:
    pool = pool_of(tmp_path, limit(100), red={"megabytes": 40}, huge={"megabytes": 5, "memory_mb": 5000})
    answers = Answers(pool, store, RecipeStore(store.bucket, project), platform.claims)
    unknown, huge, red = answers.run_all([Weigh(model="none"), Weigh(model="huge"), Weigh(model="red")])
    assert isinstance(unknown, UnknownModel)
    assert isinstance(huge, NotEnoughMemory)
    assert red.megabytes == 40  # type: ignore[union-attr]
    assert Ballast.loads == ["red"]


def test_a_model_larger_than_its_catalogue_entry_is_unloaded_and_refused_from_then_on(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(30), red={"megabytes": 60, "memory_mb": 1})
    for _ in range(2):
        with pytest.raises(NotEnoughMemory, match=r"needs 0\.06 GB"):
            use(pool, "red")
    assert Ballast.loads == ["red"]
    assert names(pool) == []


def test_the_memory_of_an_evicted_model_returns_to_the_system(tmp_path: Path) -> None:
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
    assert Ballast.loads == ["green", "red", "red"], "loaded again after all idle models were evicted"
    use(pool, "green")


def test_a_load_waits_for_a_model_in_use_whose_memory_it_needs(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, limit(60), red={"megabytes": 40}, green={"megabytes": 40, "memory_mb": 40})
    other = threading.Thread(target=use, args=(pool, "green"))
    with pool.operator("red"):
        other.start()
        other.join(0.3)
        assert other.is_alive()
        assert Ballast.loads == ["red"]
    other.join(30)
    assert names(pool) == ["green"]


def test_gpu_memory_has_a_budget_of_its_own() -> None:
    cache = ModelCache(CacheLimits(memory_bytes=10**10, cuda_bytes=8 * 10**9))
    cache.check_fits("sdxl", Memory(resident=10**9, cuda=7 * 10**9))
    with pytest.raises(NotEnoughMemory, match=r"needs 1.00 GB and 9.00 GB of the GPU, and .* 10.00 GB and 8.00 GB"):
        cache.check_fits("sdxl", Memory(resident=10**9, cuda=9 * 10**9))


def test_out_of_memory_errors_of_the_libraries_are_recognised() -> None:
    said = (
        "CUDA failed with error out of memory",
        "[enforce fail] DefaultCPUAllocator: can't allocate memory",
    )
    assert all(is_out_of_memory(RuntimeError(words)) for words in said)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_an_idle_model_is_unloaded_after_a_while_and_loads_again(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, CacheLimits(idle_seconds=0.3), **THREE)
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
