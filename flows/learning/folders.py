"""Where trainings keep their data, checkpoints and models on this machine."""

from pathlib import Path


def training_folder(home: Path, model: str) -> Path:
    """Return the folder of a training's data, checkpoints and model."""
    return home / "training" / model
