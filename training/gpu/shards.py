"""A trained model as files of bounded size: a report and checkpoint shards, verified by a digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from training.pipeline import TrainingError

_SHARD_BYTES = 15 * 2**20


def write_shards(name: str, average: Mapping[str, Tensor], report: Mapping[str, Any], folder: Path) -> None:
    """Write the weights in fp16 (safetensors) as NAME.0, NAME.1 …, and NAME.json; existing files are replaced."""
    from safetensors.torch import save

    data = save({key: value.half().cpu().contiguous() for key, value in average.items()})
    shards = [data[start : start + _SHARD_BYTES] for start in range(0, len(data), _SHARD_BYTES)]
    described = {**report, "sha256": hashlib.sha256(data).hexdigest(), "shards": len(shards)}
    files = {f"{name}.{number}": shard for number, shard in enumerate(shards)}
    files[f"{name}.json"] = json.dumps(described, ensure_ascii=False, indent=1).encode()
    for file, content in files.items():
        (folder / f".{file}").write_bytes(content)
    for file in files:
        (folder / f".{file}").replace(folder / file)


def read_shards(name: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights and the report of a model. Raises TrainingError for shards that lack or do not fit together."""
    from safetensors.torch import load

    try:
        report: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        data = b"".join((folder / f"{name}.{number}").read_bytes() for number in range(report["shards"]))
    except FileNotFoundError as error:
        raise TrainingError(f"{folder} lacks {error.filename}: fetch all files of {name}.") from error
    if hashlib.sha256(data).hexdigest() != report["sha256"]:
        raise TrainingError(f"The shards of {name} in {folder} are not of one checkpoint: fetch them again.")
    return load(data), report
