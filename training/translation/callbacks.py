"""What happens beside a translation training: an average of the weights, losses on disk, an end in time, progress."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import MarianMTModel, TrainerCallback

from storage.atomic_files import to_disk, written_whole
from training.pipeline import Progress, drop_half_line


class WeightAverage(TrainerCallback):
    """A running average of the weights: as good as annealing the learning rate, and ready at any time."""

    FILE = "average.pt"

    def __init__(self, model: MarianMTModel, decay: float) -> None:
        self._model = model
        self._decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.named_parameters()}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Go on from the checkpoint that the trainer goes on from."""
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / self.FILE
        if state.global_step:
            self.weights = torch.load(file, weights_only=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the average towards the weights; quickly at first."""
        decay = min(self._decay, (1 + state.global_step) / (10 + state.global_step))
        with torch.no_grad():
            for name, value in self._model.named_parameters():
                self.weights[name].lerp_(value, 1 - decay)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the average beside the trainer's own files: the last one, so that a checkpoint with it is whole."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        to_disk(checkpoint)
        with written_whole(checkpoint / self.FILE) as unfinished:
            torch.save(self.weights, unfinished)


class Deadline(TrainerCallback):
    """Ends training after some minutes, with a checkpoint."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + minutes * 60

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop at the first step after the deadline."""
        if time.monotonic() > self._end:
            control.should_save = True
            control.should_training_stop = True


class LossLog(TrainerCallback):
    """Losses as JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Drop what a killed run left of a line."""
        drop_half_line(self._path)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """One line each time the trainer reports."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


class Watched(TrainerCallback):
    """Tells each step with the last loss that the trainer reported."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._loss = float("nan")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Remember the loss."""
        self._loss = float((logs or {}).get("loss", self._loss))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the step."""
        self._progress("model", state.global_step, state.max_steps, self._loss)
