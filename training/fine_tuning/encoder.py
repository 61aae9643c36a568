"""The encoder that fine-tuning begins with: a link in the work folder, with its name and digest beside it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from training.pipeline import DataMissing

ENCODER = "encoder"
"""The link in a work folder to the encoder's folder; beside it encoder.json has its name and digest."""


def link_encoder(work: Path, folder: Path, name: str, digest: str) -> None:
    """Link the folder of an encoder into a work folder, and note its name and digest."""
    work.mkdir(parents=True, exist_ok=True)
    (work / ENCODER).unlink(missing_ok=True)
    (work / ENCODER).symlink_to(folder.absolute(), target_is_directory=True)
    (work / f"{ENCODER}.json").write_text(json.dumps({"name": name, "digest": digest}), encoding="utf-8")


def encoder_facts(work: Path) -> dict[str, str]:
    """Name and digest of the linked encoder. Raises DataMissing if there is none."""
    if not (work / ENCODER / "config.json").exists():
        raise DataMissing(f"{work} has no encoder to fine-tune: train with `triptych train … --dataset NAME`.")
    return json.loads((work / f"{ENCODER}.json").read_text(encoding="utf-8"))


def load_encoder(work: Path) -> Any:
    """The linked encoder in float32. Heads of its pretraining are left out without a warning."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    # On a CPU the backward pass of torch's fused attention is slow for short sequences.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        loading: Any = partial(AutoModel.from_pretrained, local_files_only=True, use_safetensors=True)
        return loading(work / ENCODER, dtype=torch.float32, attn_implementation=attention)
    finally:
        logging.set_verbosity(before)
