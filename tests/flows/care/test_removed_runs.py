"""What Prefect keeps of artifacts that were removed: no run that names them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.care.retain import apply_retention
from flows.library.trash import move_to_trash
from flows.running.context import local_context
from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import Settings
from tests.flows.test_stack import document

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def reports_and_pages(settings: Settings, project: str) -> list[str]:
    """The types of what the runs that ingest and search in a project left, without their progress."""
    with api_of(settings).client() as client:
        flows = {"flows": {"name": {"any_": ["ingest", "search"]}}}
        runs = client.post("/flow_runs/filter", json=flows).json()
        ids = [run["id"] for run in runs if project in json.dumps(run["parameters"])]
        left: list[dict[str, Any]] = client.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": ids}}}).json()
        return sorted(each["type"] for each in left if each["type"] != "progress")


def runs_that_name(settings: Settings, word: str) -> int:
    """How many runs have the word in their parameters."""
    with api_of(settings).client() as client:
        flows = {"flows": {"name": {"any_": ["ingest", "search", "transcribe-audio", "generate-images"]}}}
        runs = client.post("/flow_runs/filter", json=flows).json()
        return sum(word in json.dumps(run["parameters"]) for run in runs)


async def test_runs_go_with_the_artifacts_that_they_name(
    stack_home: Path, stack_settings: Settings, project: str, samples: Path
) -> None:
    space = Platform(stack_settings).space(project)
    for name in ("luggage.jpg", "autumn-market.txt"):
        document(stack_home, "ingest", str(samples / name), "--project", project)
    document(stack_home, "run", "search", "words=luggage", "at_least=0", "--project", project)
    assert runs_that_name(stack_settings, project) == 3
    assert reports_and_pages(stack_settings, project) == ["markdown"] * 3 + ["report"] * 3
    luggage = next(record for record in space.records.all() if record.kind == "image").artifact.sha256
    move_to_trash(space, luggage, "ada")
    document(stack_home, "retain", "--delete", "--project", project)
    assert len(reports_and_pages(stack_settings, project)) == 6

    later = datetime.now(UTC) + timedelta(days=31)
    await apply_retention(local_context(space), delete=True, now=later)
    document(stack_home, "retain", "--delete", "--project", project)
    assert reports_and_pages(stack_settings, project) == ["markdown", "report"], "those of the text"
    assert runs_that_name(stack_settings, project) == 1
    assert runs_that_name(stack_settings, '"words": "luggage"') == 0
