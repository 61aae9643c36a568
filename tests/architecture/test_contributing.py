"""Apply the blocks of docs/contributing.md to a copy of the checkout, and use the model, flow, command, route, page."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flows.running.settings import Settings
from tests.paths import ROOT

DOCUMENT = ROOT / "docs" / "contributing.md"
BLOCK = re.compile(r"^\*\*([\w./-]+)\*\* \((new|changed)\)\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALK = Path(__file__).with_name("walk_contributing.py")
LEFT_OUT = ("models", "tests", "docs", "samples", "docker", "benchmarks")


def changed(text: str, hunks: str) -> str:
    """The text with the hunks applied; the lines that a hunk shows stand in it once, or it has none and is appended."""
    for hunk in hunks.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert not before or f"\n{text}".count(f"\n{before}") == 1, f"not there once: {before}"
        text = f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:] if before else text + after
    return text


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their configuration, with the blocks of the document applied."""
    copy = tmp_path_factory.mktemp("contributing") / "checkout"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if name.split("/")[0] not in LEFT_OUT and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    blocks = BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(blocks) == DOCUMENT.read_text(encoding="utf-8").count("\n```\n")
    for name, kind, body in blocks:
        path = copy / name
        assert path.exists() == (kind == "changed"), name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = changed(path.read_text(encoding="utf-8"), body) if kind == "changed" else body
        path.write_text(text, encoding="utf-8")
    return copy


def run(checkout: Path, settings: Settings, *command: str) -> str:
    """What a Python command in the copy prints; it uses the session's servers."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TRIPTYCH_HOME": str(settings.home)}
    done = subprocess.run(
        [sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def walked(checkout: Path, settings: Settings) -> dict[str, Any]:
    """What came of using the toy: see walk_contributing.py."""
    return json.loads(run(checkout, settings, str(WALK), f"test-{uuid4().hex[:12]}"))


def test_a_new_model_answers_a_request_once(walked: dict[str, Any]) -> None:
    assert walked["answers"] == ["HELLO!", "HELLO!"]
    assert walked["loaded"] == [["megaphone"], []]
    assert walked["recipe"] == "shouting:Shouter:Shout"
    assert walked["refused"]


def test_a_new_flow_runs_in_a_local_context_and_is_deployed(walked: dict[str, Any]) -> None:
    assert walked["report"] == ["FIRE!", "5 characters."]
    assert walked["deployed"] == ["shout-text", True, "cpu"]


def test_a_new_command_gives_its_answer(checkout: Path, settings: Settings) -> None:
    command = ("-m", "gateway.cli.main", "shout", "hello", "--local", "--json", "--project", f"test-{uuid4().hex[:12]}")
    assert json.loads(run(checkout, settings, *command)) == {"text": "HELLO!"}


def test_a_new_route_answers_whoever_has_a_token(walked: dict[str, Any]) -> None:
    assert walked["posted"] == [200, {"text": "HELLO!"}, 401]


def test_a_new_page_is_shown_in_both_languages(walked: dict[str, Any]) -> None:
    assert "<h1>喊话</h1>" in walked["page"]
    assert "<p>HELLO!</p>" in walked["page"]


def test_the_new_files_pass_the_linter_and_the_layer_check(checkout: Path) -> None:
    new = [name for name, _, _ in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")) if name.endswith(".py")]
    for command in (["ruff", "check", *new], ["ruff", "format", "--check", *new], ["lint-imports"]):
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run([program, *command[1:]], cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
