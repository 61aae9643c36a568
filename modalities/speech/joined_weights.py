"""Join the parts of a CTranslate2 model whose model.bin is too large for one package."""

import hashlib
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from modalities.contract import Weights
from modalities.errors import ModelUnavailable
from storage.atomic_files import create_once


def model_folder(name: str, weights: Weights, model_sha256: str | None) -> Path:
    """Return the folder with model.bin and its JSON files; if it is split into parts, join them once.

    Raises ModelUnavailable if there is no model.bin, or its sha256 is not `model_sha256`.
    """
    whole = [path for folder in weights.folders for path in folder.rglob("model.bin")]
    folder = whole[0].parent if whole else _join(name, weights)
    if model_sha256:
        with (folder / "model.bin").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != model_sha256:
            raise ModelUnavailable(
                f"The weights of {name} are not those of the catalogue: expected sha256 {model_sha256}, found {found}."
            )
    return folder


def _join(name: str, weights: Weights) -> Path:
    """Join the parts in the cache, beside copies of their JSON files."""
    parts = [path for folder in weights.folders for path in folder.rglob("model.bin.part*")]
    if not parts:
        raise ModelUnavailable(f"The weights of {name} have no model.bin: is it a model in CTranslate2 form?")
    return create_once(weights.cache / "whisper", partial(_write_joined, parts))


def _write_joined(parts: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for config in sorted({path for part in parts for path in part.parent.glob("*.json")}):
        shutil.copyfile(config, folder / config.name)
    with (folder / "model.bin").open("wb") as file:
        for part in sorted(parts, key=lambda path: int(path.suffix.removeprefix(".part"))):
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, 4 * 1024 * 1024)
