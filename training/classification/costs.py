"""What a training cost, and what code made it: the facts beside the weights of a version."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

FACTS = "facts.json"
WATTS_PER_CORE = 10.0
"""The assumption behind energy: a busy core of a server with its share of memory, fans and power supply."""


class Cost(BaseModel):
    """Processor time, and the energy that it takes by the assumption of 10 W for each busy core."""

    model_config = ConfigDict(frozen=True)

    cpu_seconds: float
    watt_hours: float
    assumption: str = f"{WATTS_PER_CORE:g} W for each busy core"

    @classmethod
    def of(cls, cpu_seconds: float) -> Self:
        """The cost of so much processor time."""
        return cls(cpu_seconds=round(cpu_seconds, 1), watt_hours=round(cpu_seconds * WATTS_PER_CORE / 3600, 4))


class TrainingFacts(BaseModel):
    """`facts.json` of a model folder: the recipe, dataset, metrics, code and cost of a version."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    dataset: str
    metrics: dict[str, float]
    code: str
    cost: Cost

    @property
    def origin(self) -> str:
        """A line of a model card: the code and the cost."""
        spent = f"{self.cost.cpu_seconds:g} seconds of processor, about {self.cost.watt_hours:g} Wh"
        return f"- Code: {self.code}. Cost: {spent} ({self.cost.assumption})."


def write_facts(folder: Path, *, recipe: str, dataset: str, metrics: Mapping[str, float], cost: Cost) -> TrainingFacts:
    """Write `facts.json` of a model that this code trained."""
    facts = TrainingFacts(recipe=recipe, dataset=dataset, metrics=dict(metrics), code=code_version(), cost=cost)
    (folder / FACTS).write_text(facts.model_dump_json(indent=1), encoding="utf-8")
    return facts


class CpuClock:
    """The processor time of this process and its children since a start."""

    def __init__(self, already_spent: float = 0.0) -> None:
        self._started = cpu_seconds()
        self._already = already_spent

    def cost(self) -> Cost:
        """The cost until now."""
        return Cost.of(self._already + cpu_seconds() - self._started)


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
