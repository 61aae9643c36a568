"""Converted weights: a Marian, M2M100 or NLLB checkpoint in the layout of transformers, in CTranslate2 form."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from modalities.contract import Weights
from modalities.errors import ModelUnavailable
from storage.atomic_files import create_once

_FAMILIES = {"marian": "BartLoader", "m2m_100": "M2M100Loader"}
READY = "ctranslate2"
"""A folder beside a checkpoint's config and tokenizer, with weights that are in CTranslate2 form already."""

_FORM = 1
"""Changes when conversion does, so that older folders in the cache are left alone."""


def read_config(name: str, weights: Weights) -> dict[str, Any]:
    """config.json of a checkpoint. Raises ModelUnavailable for what is not Marian, M2M100 or NLLB."""
    try:
        config = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The model {name} has no config.json that can be read.") from error
    if config.get("model_type") not in _FAMILIES:
        raise ModelUnavailable(
            f"The model {name} is of the type {config.get('model_type')}: translation takes Marian, M2M100 and NLLB."
        )
    return config


def converted(name: str, weights: Weights, compute: str) -> Path:
    """A folder with the checkpoint in CTranslate2 form: its own, else made once. Raises ModelUnavailable."""
    if (weights.folder / READY).is_dir():
        return weights.folder / READY  # CTranslate2 brings it into the number format that it is asked for
    return create_once(weights.cache / f"ctranslate2-{_FORM}-{compute}", partial(_convert, name, weights, compute))


def _convert(name: str, weights: Weights, compute: str, into: Path) -> None:
    """Write a folder with model.bin and its companions. Raises ModelUnavailable."""
    import torch
    from ctranslate2.converters import transformers as loaders
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    family = str(read_config(name, weights)["model_type"])
    try:
        model: Any = AutoModelForSeq2SeqLM.from_pretrained(
            weights.folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        tokenizer: Any = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The model {name} cannot be read: it has to be in safetensors form.") from error
    # CTranslate2's own Marian loader starts from zeros and drops the last token: right where the embedding of <pad>
    # is zero, wrong for models trained with transformers, whose output layer, being tied to it, has made it something.
    model.config.normalize_before, model.config.normalize_embedding = False, False
    loader = getattr(loaders, _FAMILIES[family])()
    # In the order of the numbers; a model may have more of them than its tokenizer.
    names = {number: token for token, number in token_numbers(tokenizer).items()}
    tokens = [names.get(number, f"madeupword{number}") for number in range(model.config.vocab_size)]
    loader.get_vocabulary = partial(_same, tokens)
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


def token_numbers(tokenizer: Any) -> dict[str, int]:
    """Every token with its number; M2M100's tokenizer keeps its languages apart."""
    return {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}


def _same(tokens: list[str], model: Any, tokenizer: Any) -> list[str]:
    """`tokens`, whatever the loader asks about: its own list leaves out M2M100's languages."""
    return tokens
