"""Weights of a translation model: initialization, warm start from a published model, saving."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import MarianConfig, MarianMTModel

from training.pipeline import TrainingError
from training.translation.vocabulary import EOS, PAD, read_vocabulary, tokenizer_of

POSITIONS = 256
WEIGHTS = "model.safetensors"
_EMBEDDING = "model.shared.weight"


@dataclass(frozen=True)
class Shape:
    """The size of a model; feed-forward layers have four times the width, attention heads 32 dimensions."""

    width: int
    encoder_layers: int
    decoder_layers: int
    dropout: float = 0.0


def build(shape: Shape, vocabulary: Mapping[str, int], seed: int, attention: str) -> Any:
    """A randomly initialized Marian model, deterministic for a seed."""
    torch.manual_seed(seed)
    pad, end = vocabulary[PAD], vocabulary[EOS]
    config = MarianConfig(
        vocab_size=len(vocabulary),
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.width // 32,
        decoder_attention_heads=shape.width // 32,
        encoder_ffn_dim=shape.width * 4,
        decoder_ffn_dim=shape.width * 4,
        activation_function="relu",
        dropout=shape.dropout,
        max_position_embeddings=POSITIONS,
        scale_embedding=True,
        pad_token_id=pad,
        eos_token_id=end,
        bos_token_id=end,
        forced_eos_token_id=end,
        decoder_start_token_id=pad,
    )
    model = MarianMTModel(config)
    model.set_attn_implementation(attention)
    return model


def initialize_from(model: Any, vocabulary: Mapping[str, int], published: Path) -> None:
    """Copy the weights of a published model of the same size whose vocabulary is a subset of `vocabulary`.

    The embedding of a new token is initialized from a related one: a simplified character from its traditional form, a
    full-width sign from its ASCII form, any other from the mean of its byte tokens. Raises TrainingError.
    """
    from safetensors.torch import load_file

    if not (published / WEIGHTS).exists():
        raise TrainingError(f"{published} has no {WEIGHTS} to start from.")
    known = read_vocabulary(published)
    state = {name: value.float() for name, value in load_file(published / WEIGHTS).items()}
    old = state[_EMBEDDING]
    state = {name: value for name, value in state.items() if len(known) not in value.shape}
    new = torch.empty(len(vocabulary), old.shape[1])
    for token, number in vocabulary.items():
        new[number] = old[known[token]] if token in known else _initial_embedding(token, known, old)
    try:
        model.load_state_dict(state | {_EMBEDDING: new}, strict=False)
    except RuntimeError as error:
        raise TrainingError(f"The weights in {published} are of another size than the recipe's model.") from error
    model.tie_weights()


def with_average(model: Any, average: Mapping[str, Tensor]) -> Any:
    """The model with averaged weights, in evaluation mode."""
    model.load_state_dict(dict(average), strict=False)
    return model.eval()


def save(model: Any, vocabulary: Path, folder: Path) -> None:
    """Write safetensors in fp16 and the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer_of(vocabulary).save_pretrained(folder)
    (folder / WEIGHTS).chmod(0o644)  # readable for the user that a container runs as


def _initial_embedding(token: str, known: Mapping[str, int], embedding: Tensor) -> Tensor:
    for other in (_traditional(token), unicodedata.normalize("NFKC", token)):
        if other in known:
            return embedding[known[other]]
    spelt = [known[f"<0x{byte:02X}>"] for byte in token.encode()]
    return embedding[spelt].mean(dim=0)


def _traditional(token: str) -> str:
    import opencc

    return opencc.OpenCC("s2t").convert(token)
