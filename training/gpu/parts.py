"""A trained model on its way back: a report and a checkpoint in parts of bounded size, each pair of them consistent."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from training.pipeline import TrainingError

_PART_BYTES = 15 * 2**20


def write_parts(name: str, average: Mapping[str, Tensor], report: Mapping[str, Any], folder: Path) -> None:
    """Write NAME.0, NAME.1 … with the weights in fp16 as safetensors, and NAME.json; those before are replaced."""
    from safetensors.torch import save

    data = save({key: value.half().cpu().contiguous() for key, value in average.items()})
    parts = [data[start : start + _PART_BYTES] for start in range(0, len(data), _PART_BYTES)]
    described = {**report, "sha256": hashlib.sha256(data).hexdigest(), "parts": len(parts)}
    files = {f"{name}.{number}": part for number, part in enumerate(parts)}
    files[f"{name}.json"] = json.dumps(described, ensure_ascii=False, indent=1).encode()
    for file, content in files.items():
        (folder / f".{file}").write_bytes(content)
    for file in files:
        (folder / f".{file}").replace(folder / file)


def read_parts(name: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the report of a model. Raises TrainingError for parts that lack or do not fit together."""
    from safetensors.torch import load

    try:
        report: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        data = b"".join((folder / f"{name}.{number}").read_bytes() for number in range(report["parts"]))
    except FileNotFoundError as error:
        raise TrainingError(f"{folder} lacks {error.filename}: fetch all files of {name}.") from error
    if hashlib.sha256(data).hexdigest() != report["sha256"]:
        raise TrainingError(f"The parts of {name} in {folder} are not of one checkpoint: fetch them again.")
    return load(data), report
