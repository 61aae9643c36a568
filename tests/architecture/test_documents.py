"""The documents keep to the code: commands, files and settings that they name exist."""

import re

from typer.main import get_command

from flows.running.settings import Settings
from gateway.cli.main import app
from tests.paths import ROOT


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {"up", "down"}  # as make targets
    commands = set(getattr(get_command(app), "commands", {}))
    assert commands - named == {name for name in commands if re.search(rf"(triptych|·) {name}\b", readme)} - named


def test_links_of_the_documents_lead_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
        if not (document.parent / link).exists()
    ]
    assert broken == []


def test_every_promise_names_tests_that_exist() -> None:
    promises = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promises)
    assert named
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_the_example_settings_are_the_settings_there_are() -> None:
    example = (ROOT / "configs" / "example.env").read_text(encoding="utf-8")
    named = set(re.findall(r"^#(TRIPTYCH_\w+)=", example, re.MULTILINE))
    assert named == {f"TRIPTYCH_{field.upper()}" for field in Settings.model_fields} - {"TRIPTYCH_ROOT"}
