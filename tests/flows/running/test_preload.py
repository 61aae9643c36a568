"""Warm workers preload what the deployments need."""

import yaml

from flows.running.preload import PRELOAD, loaded_models
from tests.paths import ROOT

CONFIG = ROOT / "configs" / "prefect.yaml"


def test_the_modules_of_all_deployments_in_the_warm_pools_are_preloaded() -> None:
    deployments = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["deployments"]
    warm = [entry for entry in deployments if entry["work_pool"]["name"] != "train"]
    assert sorted(PRELOAD) == sorted({entry["entrypoint"].rpartition(".")[0] for entry in warm})


def test_a_process_without_a_platform_reports_no_models() -> None:
    from flows.running.platform import open_platform

    open_platform.cache_clear()
    assert loaded_models() == {}
