"""What a training cost, and what code made it: the facts beside the weights of a version."""

import os
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

WATTS_PER_CORE = 10.0
"""The assumption behind energy: a busy core of a server with its share of memory, fans and power supply."""


class Cost(BaseModel):
    """Processor time, and the energy that it takes by the assumption of 10 W for each busy core."""

    model_config = ConfigDict(frozen=True)

    cpu_seconds: float
    watt_hours: float
    assumption: str = f"{WATTS_PER_CORE:g} W for each busy core"


class TrainingFacts(BaseModel):
    """`facts.json` of a model folder: the recipe, dataset, metrics, code and cost of a version."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    dataset: str
    metrics: dict[str, float]
    code: str
    cost: Cost


class CpuClock:
    """The processor time of this process and its children since a start."""

    def __init__(self, already_spent: float = 0.0) -> None:
        self._started = cpu_seconds()
        self._already = already_spent

    def cost(self) -> Cost:
        """The cost until now."""
        seconds = self._already + cpu_seconds() - self._started
        return Cost(cpu_seconds=round(seconds, 1), watt_hours=round(seconds * WATTS_PER_CORE / 3600, 4))


def code_version() -> str:
    """The installed version, with the commit of the checkout if it is one and git is there."""
    try:
        release = version("triptych")
    except PackageNotFoundError:
        release = "unknown"
    if not (git := shutil.which("git")):
        return release
    asked = [git, "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return f"{release} ({found.stdout.strip()})" if found.returncode == 0 else release


def cpu_seconds() -> float:
    """The processor time of this process and its ended children until now."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
