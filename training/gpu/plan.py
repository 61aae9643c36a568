"""The training bundle: settings, vocabulary, packed pairs and test sets in one folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from training.translation.weights import Shape

SETTINGS, PAIRS, VOCABULARY = "settings.json", "pairs.npz.xz", "vocabulary"
TESTS, HELD_OUT = "tests", "held-out"
"""Folders with test sets: the former are evaluated on both machines, the latter only by `collect`."""
ATTENTION = "sdpa"


@dataclass(frozen=True)
class Direction:
    """The languages of one model."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """Hyperparameters of configs/translation-gpu.yaml."""

    batch_tokens: int
    longest: int
    learning_rate: float
    warmup_steps: int
    checkpoint_steps: int
    average_decay: float
    label_smoothing: float
    seed: int


@dataclass(frozen=True)
class TrainingPlan:
    """Models by name, their common size, and hyperparameters."""

    directions: Mapping[str, Direction]
    shape: Shape
    training: Training

    def write(self, folder: Path) -> None:
        """Write `settings.json`."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TrainingPlan":
        """Read `settings.json`."""
        given = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        directions = {
            name: Direction(tuple(each["sources"]), tuple(each["targets"]))
            for name, each in given["directions"].items()
        }
        return cls(directions, Shape(**given["shape"]), Training(**given["training"]))
