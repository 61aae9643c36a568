"""Padded batches of token ids, gathered on the training device from flat arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.translation.pack import Array, PackedPairs
from training.translation.vocabulary import EOS, PAD, language_token


@dataclass(frozen=True)
class Batch:
    """Encoder and decoder inputs (rows, width), and the flat target tokens without padding.

    `label_positions` are the indexes of `labels` in the flattened decoder output.
    """

    input_ids: Tensor
    attention_mask: Tensor
    decoder_input_ids: Tensor
    label_positions: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Special:
    """Ids of special tokens; `languages` are the first tokens of a source, by target language."""

    pad: int
    end: int
    languages: Mapping[str, int]


def special_tokens(vocabulary: Mapping[str, int], targets: Sequence[str]) -> Special:
    """The special tokens of a vocabulary. Language tokens are used where there are any, as in the operator."""
    tokens = {language: vocabulary.get(language_token(language)) for language in targets}
    languages = {language: number for language, number in tokens.items() if number is not None}
    return Special(pad=vocabulary[PAD], end=vocabulary[EOS], languages=languages)


class Batches:
    """A packed data set on a device; maps an array of pair indexes to a batch."""

    def __init__(self, pack: PackedPairs, special: Special, device: str, multiple: int = 4) -> None:
        self._special = special
        self._device = device
        self._multiple = multiple
        self._sides = (self._side(pack, 0), self._side(pack, 1))
        starts = [special.languages.get(language, -1) for language in pack.languages]
        self._starts = torch.tensor(np.array(starts)[pack.directions[:, 1]], device=device)
        self._has_language_tokens = bool(special.languages)
        self._lengths = pack.lengths.astype(np.int64)

    def __call__(self, rows: Array) -> Batch:
        """The batch of these pairs."""
        index = torch.as_tensor(rows).to(self._device, non_blocking=True)
        longest = self._lengths[rows].max(axis=0)
        pad = self._special.pad
        source = self._rows(0, index, int(longest[0]), before=int(self._has_language_tokens))
        if self._has_language_tokens:
            source = torch.cat([self._starts[index][:, None], source], dim=1)
        target = self._rows(1, index, int(longest[1]))
        # A decoder of Marian begins with the padding token.
        shifted = torch.cat([target.new_full((len(rows), 1), pad), target[:, :-1]], dim=1)
        positions = self._label_positions(rows, target.shape[1])
        return Batch(source, (source != pad).long(), shifted, positions, target.flatten()[positions])

    def _label_positions(self, rows: Array, width: int) -> Tensor:
        """Indexes of tokens in the flattened rows, computed on the host: a boolean mask would synchronize the GPU."""
        counts = self._lengths[rows, 1] + 1
        starts = np.arange(len(rows)) * width - (np.cumsum(counts) - counts)
        positions = np.repeat(starts, counts) + np.arange(counts.sum())
        return torch.as_tensor(positions).to(self._device, non_blocking=True)

    def _side(self, pack: PackedPairs, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Flat token ids, and the offset and the length of each pair."""
        tokens = (pack.sources, pack.targets)[side]
        lengths = pack.lengths[:, side].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        on: Any = self._device
        return (
            torch.tensor(tokens.astype(np.int32), device=on),
            torch.tensor(starts, device=on),
            torch.tensor(lengths, device=on),
        )

    def _rows(self, side: int, index: Tensor, longest: int, before: int = 0) -> Tensor:
        """Rows of ids with an end token, padded so that width plus `before` is a multiple of `self._multiple`."""
        tokens, starts, lengths = self._sides[side]
        width = -(-(before + longest + 1) // self._multiple) * self._multiple - before
        places = torch.arange(width, device=self._device)
        length = lengths[index][:, None]
        at = (starts[index][:, None] + places).clamp_(max=len(tokens) - 1)
        ids = tokens[at].long()
        ids = torch.where(places == length, self._special.end, ids)
        return torch.where(places > length, self._special.pad, ids)
