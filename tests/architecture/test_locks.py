"""The lock files hold everything that pyproject.toml asks for, once, with hashes, for each Python that we name."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
RUNTIME, DEV, UV = "requirements.lock", "requirements-dev.lock", "requirements-uv.lock"
OVERRIDDEN = {Requirement(text).name for text in PYPROJECT["tool"]["uv"]["override-dependencies"]}
"""What packages ask for and is left out, since nothing here imports it."""
PYTHONS = ("3.11", "3.12", "3.13")


def blocks(lock: str) -> list[list[str]]:
    """The requirements of a lock file, each with the lines of its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", "")
    return [line.split(" --hash=") for line in text.splitlines() if not line.startswith("#")]


def locked(lock: str, python: str | None = None) -> dict[str, str]:
    """The version of each package, of all or of those for one Python."""
    requirements = [Requirement(block[0].strip()) for block in blocks(lock)]
    environment = {"python_version": python or "", "python_full_version": f"{python}.9"}
    wanted = [r for r in requirements if python is None or not r.marker or r.marker.evaluate(environment)]
    versions = {canonicalize_name(r.name): re.sub("^==", "", str(r.specifier)) for r in wanted}
    assert len(versions) == len(wanted)
    return versions


def asked(*extras: str) -> list[Requirement]:
    texts = [*PROJECT["dependencies"], *(text for e in extras for text in PROJECT["optional-dependencies"][e])]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", [RUNTIME, DEV, UV])
def test_every_line_has_a_version_and_hashes_and_names_no_host(lock: str) -> None:
    assert blocks(lock)
    for requirement, *hashes in blocks(lock):
        assert re.fullmatch(r"[\w.-]+==[\w.+!]+( ; [^@]+)?", requirement.strip())
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found.strip()) for found in hashes), requirement
    assert not re.search(r"://|^-", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


def test_the_build_backend_is_the_one_that_uv_has_built_in() -> None:
    """Another one would be fetched at each install, without hashes."""
    [backend] = [Requirement(text) for text in PYPROJECT["build-system"]["requires"]]
    assert backend.name == "uv_build"
    assert backend.specifier.contains(locked(UV)["uv"])


def test_the_second_lock_has_the_versions_of_the_first_and_the_tools() -> None:
    assert locked(RUNTIME).items() <= locked(DEV).items()
    assert not locked(RUNTIME).keys() & {"pytest", "ruff", "pyright", "playwright", "schemathesis", "hypothesis"}


@pytest.mark.parametrize(("lock", "extras"), [(RUNTIME, ["training", "speakers"]), (DEV, ["training", "dev"])])
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_holds_what_the_project_asks_for(lock: str, extras: list[str], python: str) -> None:
    versions = locked(lock, python)
    for requirement in asked(*extras):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_holds_what_its_packages_ask_for(python: str) -> None:
    """Nothing resolves when it is installed: what one of them lacks would be missed at run time."""
    versions = locked(DEV, python)
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    for distribution in distributions():
        if canonicalize_name(distribution.name) not in versions:
            continue
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.name in OVERRIDDEN:
                continue
            if not requirement.marker or requirement.marker.evaluate(environment):
                version = versions[canonicalize_name(requirement.name)]
                assert requirement.specifier.contains(version, prereleases=True), (distribution.name, requirement)


def test_the_pythons_are_those_that_the_project_names() -> None:
    fit = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}" in fit] == list(PYTHONS)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"python{python} " in makefile for python in PYTHONS)
