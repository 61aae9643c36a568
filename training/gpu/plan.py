"""What travels to the machine with the GPU: settings, vocabulary, packed pairs and tests, in one folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from training.translation.weights import Shape

SETTINGS, PAIRS, VOCABULARY = "settings.json", "pairs.npz.xz", "vocabulary"
TESTS, HELD_OUT = "tests", "held-out"
"""Folders with test sets: the former are measured on both machines, the latter after the way back alone."""
ATTENTION = "sdpa"


@dataclass(frozen=True)
class Direction:
    """The languages of one model."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """How each of the models is trained; configs/translation-gpu.yaml gives the numbers."""

    batch_tokens: int
    longest: int
    learning_rate: float
    warmup_steps: int
    checkpoint_steps: int
    average_decay: float
    label_smoothing: float
    seed: int


@dataclass(frozen=True)
class Plan:
    """The models by name, their common size, and how they are trained."""

    directions: Mapping[str, Direction]
    shape: Shape
    training: Training

    def write(self, folder: Path) -> None:
        """Write `settings.json`."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """Read `settings.json`."""
        given = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        directions = {
            name: Direction(tuple(each["sources"]), tuple(each["targets"]))
            for name, each in given["directions"].items()
        }
        return cls(directions, Shape(**given["shape"]), Training(**given["training"]))
