"""Joined weights: a CTranslate2 model whose model.bin is too large for one package comes in parts."""

import hashlib
import os
import shutil
from pathlib import Path
from uuid import uuid4

from modalities.errors import ModelUnavailable
from modalities.operator import Weights


def model_folder(name: str, weights: Weights, model_sha256: str | None) -> Path:
    """A folder with model.bin and its companions; parts of it that came in packages are joined, once.

    Raises ModelUnavailable when nothing is there or the bytes are not those of the catalogue.
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
    """Copy companions and join parts under the cache. The folder appears whole, by one rename, or not at all."""
    target = weights.cache / "whisper"
    if target.is_dir():
        return target
    parts = [path for folder in weights.folders for path in folder.rglob("model.bin.part*")]
    if not parts:
        raise ModelUnavailable(f"The weights of {name} have no model.bin: is it a model in CTranslate2 form?")
    making = weights.cache / f"whisper.{uuid4()}"
    making.mkdir(parents=True)
    for companion in sorted({path for part in parts for path in part.parent.glob("*.json")}):
        shutil.copyfile(companion, making / companion.name)
    with (making / "model.bin").open("wb") as file:
        for part in sorted(parts, key=lambda path: int(path.suffix.removeprefix(".part"))):
            with part.open("rb") as source:
                shutil.copyfileobj(source, file, 4 * 1024 * 1024)
    try:
        os.rename(making, target)  # noqa: PTH104
    except OSError:  # another process was first
        shutil.rmtree(making)
    return target
