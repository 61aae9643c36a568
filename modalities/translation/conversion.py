"""Convert a Marian, M2M100, NLLB or T5 (MADLAD) checkpoint from transformers' layout to CTranslate2 format."""

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modalities.contract import Weights
from modalities.errors import ModelUnavailable
from modalities.models.pickled_tensors import PICKLED, has_safetensors, rewrite_as_safetensors
from storage.atomic_files import create_once

_FAMILIES = {"marian": "BartLoader", "m2m_100": "M2M100Loader", "t5": "T5Loader"}
READY = "ctranslate2"
"""The folder of weights in CTranslate2 format, beside the config and tokenizer of a checkpoint that has them."""

_FORMAT_VERSION = 1
"""Part of the cache folder's name: increase it when the conversion changes."""


def read_config(name: str, weights: Weights) -> dict[str, Any]:
    """Read config.json of a checkpoint. Raises ModelUnavailable if it is not Marian, M2M100, NLLB or T5."""
    try:
        config = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The model {name} has no config.json that can be read.") from error
    if config.get("model_type") not in _FAMILIES:
        raise ModelUnavailable(
            f"The model {name} is of the type {config.get('model_type')}: translation takes Marian, M2M100, NLLB, T5."
        )
    return config


def longest_sequence(config: dict[str, Any]) -> int:
    """Return the longest sequence in tokens. T5 has relative positions: its config says what it was trained with."""
    return int(config.get("max_position_embeddings") or config.get("n_positions") or 512)


def converted_folder(name: str, weights: Weights, compute: str) -> Path:
    """Return the checkpoint's own folder in CTranslate2 format, else the converted one, converting it on first use.

    Raises ModelUnavailable.
    """
    if (weights.folder / READY).is_dir():
        return weights.folder / READY  # CTranslate2 converts it to the compute type when it loads
    return create_once(
        weights.cache / f"ctranslate2-{_FORMAT_VERSION}-{compute}", partial(_convert, name, weights, compute)
    )


def _convert(name: str, weights: Weights, compute: str, into: Path) -> None:
    """Convert the checkpoint into a new folder. Raises ModelUnavailable."""
    import torch
    from ctranslate2.converters import transformers as loaders

    family = str(read_config(name, weights)["model_type"])
    model, tokenizer = _read_checkpoint(name, weights)
    # Marian checkpoints use CTranslate2's BART loader: its Marian loader replaces the embedding of <pad>, the start
    # token, by zeros and drops it from the vocabulary. Models trained with transformers have learnt that embedding.
    model.config.normalize_before, model.config.normalize_embedding = False, False
    if (
        family == "t5"
    ):  # its loader reads from this whether outputs are scaled; transformers 5 has a name of its own for that
        model.config.tie_word_embeddings = model.config.scale_decoder_outputs
    loader = getattr(loaders, _FAMILIES[family])()
    # In the order of the ids; a model may have more embeddings than its tokenizer has tokens.
    names = {number: token for token, number in token_ids(tokenizer).items()}
    tokens = [names.get(number, f"madeupword{number}") for number in range(model.config.vocab_size)]
    loader.get_vocabulary = partial(_fixed_vocabulary, tokens)
    try:
        with torch.no_grad():
            model_spec = loader(model, tokenizer)
            model_spec.config.bos_token = tokenizer.bos_token or tokenizer.eos_token
            model_spec.validate()
            model_spec.optimize(quantization=compute)
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise ModelUnavailable(f"The model {name} has no form in CTranslate2: {str(error).rstrip('.')}.") from error
    into.mkdir()
    model_spec.save(str(into))


def _read_checkpoint(name: str, weights: Weights) -> tuple[Any, Any]:
    """Load the model and its tokenizer with transformers. Raises ModelUnavailable."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        with TemporaryDirectory(dir=weights.cache) as temporary:
            folder = weights.folder
            if not has_safetensors(folder) and (folder / PICKLED).is_file():
                folder = Path(temporary) / "safetensors"
                rewrite_as_safetensors(name, weights.folder, folder)
            model: Any = AutoModelForSeq2SeqLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        return model, AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The model {name} cannot be read: it has to be in safetensors form, or {PICKLED}."
        ) from error


def token_ids(tokenizer: Any) -> dict[str, int]:
    """Map every token to its id, including the language tokens, which M2M100's tokenizer keeps separately."""
    return {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}


def _fixed_vocabulary(tokens: list[str], model: Any, tokenizer: Any) -> list[str]:
    """Replace the loader's `get_vocabulary`, which leaves out M2M100's language tokens."""
    return tokens
