"""Read a checkpoint that its publisher has as a pickle only: tensors alone, rewritten as safetensors.

Loading a pickle can run code, so torch's restricted reader is used, which knows tensors and nothing else. An entry of
models.yaml names such a file itself; pattern matches never include one.
"""

import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from modalities.errors import ModelUnavailable

PICKLED = "pytorch_model.bin"


def has_safetensors(folder: Path) -> bool:
    """Whether the folder itself has a file of safetensors."""
    return any(folder.glob("*.safetensors"))


def rewrite_as_safetensors(name: str, folder: Path, into: Path) -> None:
    """Write the tensors of `pytorch_model.bin` as model.safetensors into a new folder, beside copies of the JSON files.

    Raises ModelUnavailable if the pickle holds anything else than tensors, or cannot be read.
    """
    import torch
    from safetensors.torch import save_file

    try:
        state: Any = torch.load(folder / PICKLED, map_location="cpu", weights_only=True)
        tensors = {key: value.contiguous().clone() for key, value in state.items()}  # safetensors refuses shared memory
    except (OSError, RuntimeError, ValueError, EOFError, AttributeError, UnpicklingError) as error:
        raise ModelUnavailable(
            f"The file {PICKLED} of {name} holds more than tensors, or is damaged: it is not loaded."
        ) from error
    into.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.name != PICKLED:
            shutil.copyfile(path, into / path.name)
    save_file(tensors, into / "model.safetensors", {"format": "pt"})
