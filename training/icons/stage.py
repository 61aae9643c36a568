"""One training stage of the icon model: an AdamW loop with checkpoints and a running average of the weights."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from storage.atomic_files import atomic_write
from training.pipeline import LOSSES, Progress, truncate_partial_line
from training.precision import autocast

_WARM_UP = 100


@dataclass(frozen=True)
class Stage:
    """The modules, loss and schedule of a stage. Its checkpoint is `NAME.pt`."""

    name: str
    modules: dict[str, Any]
    loss: Callable[[int], Any]  # of the number of a step, which seeds all its randomness
    steps: int
    learning_rate: float
    average: float  # decay of the exponential moving average of the weights
    decay: float  # share of the steps, at the end, over which the learning rate falls to zero
    checkpoint_every: int = 100


def run(work: Path, stage: Stage, deadline: float, progress: Progress) -> bool:
    """Train until all steps are done (returns True) or `time.monotonic()` passes the deadline.

    Resumes from the stage's checkpoint in `work`, and logs one JSON line per step to `losses.jsonl` there. The modules
    end with the averaged weights. Before the learning rate decays, the number of steps does not influence a step.
    """
    weights = [weight for module in stage.modules.values() for weight in module.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=stage.learning_rate, betas=(0.9, 0.99), fused=True)
    averages = {key: copy.deepcopy(module).eval() for key, module in stage.modules.items()}
    checkpoint = work / f"{stage.name}.pt"
    first = _resume(checkpoint, optimizer, stage.modules, averages)
    truncate_partial_line(work / LOSSES)
    with (work / LOSSES).open("a", encoding="utf-8") as log:
        for step in range(first, stage.steps):
            loss = _step(stage, step, optimizer, weights)
            _average(averages, stage.modules, min(stage.average, (step + 1) / (step + 10)))
            log.write(json.dumps({"part": stage.name, "step": step, "loss": loss, "time": time.time()}) + "\n")
            progress(stage.name, step + 1, stage.steps, loss)
            late = time.monotonic() >= deadline
            if late or (step + 1) % stage.checkpoint_every == 0 or step + 1 == stage.steps:
                log.flush()
                _checkpoint(checkpoint, step + 1, optimizer, stage.modules, averages)
            if late:
                break
    return load_average(work, stage.name, stage.modules) >= stage.steps


def load_average(work: Path, name: str, modules: dict[str, Any]) -> int:
    """Load the averaged weights of a stage's checkpoint; returns its steps, 0 without a checkpoint."""
    if not (work / f"{name}.pt").exists():
        return 0
    state = torch.load(work / f"{name}.pt", weights_only=True, map_location="cpu")
    for key, module in modules.items():
        module.load_state_dict(state["averages"][key])
    return state["step"]


def _step(stage: Stage, step: int, optimizer: Any, weights: list[Any]) -> float:
    left = (stage.steps - step) / (stage.steps * stage.decay)
    for group in optimizer.param_groups:
        group["lr"] = stage.learning_rate * min(1.0, (step + 1) / _WARM_UP, left)
    # On a CPU torch's fused attention is slower than the plain one for so few positions.
    with autocast(weights[0].device.type), sdpa_kernel(SDPBackend.MATH):
        loss = stage.loss(step)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    return loss.item()


def _average(averages: dict[str, Any], modules: dict[str, Any], keep: float) -> None:
    with torch.no_grad():
        for key, module in modules.items():
            for mean, now in zip(averages[key].parameters(), module.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)


def _resume(path: Path, optimizer: Any, modules: dict[str, Any], averages: dict[str, Any]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    optimizer.load_state_dict(state["optimizer"])
    for key, module in modules.items():
        module.load_state_dict(state["modules"][key])
        averages[key].load_state_dict(state["averages"][key])
    return state["step"]


def _checkpoint(path: Path, step: int, optimizer: Any, modules: dict[str, Any], averages: dict[str, Any]) -> None:
    state = {
        "step": step,
        "optimizer": optimizer.state_dict(),
        "modules": {key: module.state_dict() for key, module in modules.items()},
        "averages": {key: module.state_dict() for key, module in averages.items()},
    }
    with atomic_write(path) as unfinished:
        torch.save(state, unfinished)
