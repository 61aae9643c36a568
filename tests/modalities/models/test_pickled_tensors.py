"""Of a pickle only tensors are read."""

import os
import pickle
from pathlib import Path

import pytest

from modalities.errors import ModelUnavailable
from modalities.models.pickled_tensors import rewrite_as_safetensors


class Payload:
    """What an attacker puts into a checkpoint."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.file),)


def test_tensors_come_out_as_they_were_and_other_files_beside_them(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"embedding": shared, "head": shared, "turned": shared.T}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text("{}")
    rewrite_as_safetensors("raven", tmp_path, tmp_path / "into")
    found = load_file(tmp_path / "into" / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "embedding": shared.tolist(),
        "head": shared.tolist(),
        "turned": shared.T.tolist(),
    }
    assert (tmp_path / "into" / "config.json").read_text() == "{}"


@pytest.mark.parametrize("kind", ["code", "code beside tensors", "cut off"])
def test_a_pickle_with_anything_else_is_refused_and_runs_nothing(tmp_path: Path, kind: str) -> None:
    import torch

    payload = Payload(tmp_path / "ran")
    path = tmp_path / "pytorch_model.bin"
    if kind == "code":
        path.write_bytes(pickle.dumps(payload))
    else:
        torch.save({"a": torch.ones(1000), "b": payload} if "beside" in kind else {"a": torch.ones(1000)}, path)
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelUnavailable, match=r"pytorch_model.bin of raven holds more than tensors, or is damaged"):
        rewrite_as_safetensors("raven", tmp_path, tmp_path / "into")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "into").exists()
