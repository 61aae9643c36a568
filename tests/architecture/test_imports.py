"""The promises of the shape: layers point one way, nothing heavy is imported too early, help loads little."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

HEAVY = ("torch", "transformers", "diffusers", "open_clip", "timm", "faster_whisper", "ctranslate2", "av", "magika")


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


PACKAGES = ("storage", "media", "modalities", "flows", "stack", "gateway", "workers")


@pytest.fixture(scope="module")
def heavy_libraries() -> dict[str, set[str]]:
    """The model libraries that a fresh interpreter has loaded after importing every module of each package in turn."""
    code = ["import sys"]
    for package in PACKAGES:
        modules = [path for path in sorted((ROOT / package).rglob("*.py")) if not path.name.startswith("__")]
        code += [f"import {'.'.join(path.relative_to(ROOT).with_suffix('').parts)}" for path in modules]
        code += [f"print({package!r}, *(set(sys.modules) & set({HEAVY!r})))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=ROOT, capture_output=True, text=True, check=True)
    return {package: set(loaded) for package, *loaded in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_every_module_of_a_package_loads_no_model_library(
    package: str, heavy_libraries: dict[str, set[str]]
) -> None:
    assert heavy_libraries[package] == set()


def test_help_loads_neither_models_nor_prefect_nor_clients() -> None:
    loaded = loaded_after(
        "import contextlib, io\n"
        "from gateway.cli.main import app\n"
        "with contextlib.redirect_stdout(io.StringIO()): app(['--help'], standalone_mode=False)"
    )
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "prefect", "minio", "psycopg", "pydantic", "numpy", "PIL", "httpx", "rich"})


def test_help_imports_few_modules() -> None:
    """Each costs about a millisecond; their number, unlike seconds, is the same on a busy machine."""
    loaded = loaded_after(
        "import contextlib, io\n"
        "from gateway.cli.main import app\n"
        "with contextlib.redirect_stdout(io.StringIO()): app(['--help'], standalone_mode=False)"
    )
    assert len(loaded) < 250


def test_the_process_that_reads_files_loads_no_client_of_a_server() -> None:
    loaded = loaded_after("import media.decoder")
    assert "pydantic" in loaded
    assert loaded.isdisjoint({*HEAVY, "storage", "modalities", "minio", "urllib3", "psycopg", "prefect", "PIL", "lxml"})


def test_imports_point_from_the_gateway_to_storage_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_module_says_in_its_first_line_what_it_is_about() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in ("storage", "media", "modalities", "flows", "stack", "gateway", "workers", "training")
        for path in (ROOT / package).rglob("*.py")
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []
