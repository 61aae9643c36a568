"""Batches of token ids on the device that trains, cut from arrays that lie there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.translation.pack import Array, Pack
from training.translation.vocabulary import EOS, PAD, language_token


@dataclass(frozen=True)
class Batch:
    """Padded rows: the source, its mask, and the target moved by one, which the decoder reads.

    `labels` are the target's tokens on end, and `places` where the decoder says them among all rows on end.
    """

    source: Tensor
    mask: Tensor
    read: Tensor
    places: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Special:
    """Ids of a vocabulary's special tokens; `languages` are those that begin a source, by target language."""

    pad: int
    end: int
    languages: Mapping[str, int]


def special_tokens(vocabulary: Mapping[str, int], targets: Sequence[str]) -> Special:
    """The special tokens of a vocabulary. A model of one target is told it, too, as the operator tells every model that
    has such tokens."""
    languages = {language: vocabulary[language_token(language)] for language in targets}
    return Special(pad=vocabulary[PAD], end=vocabulary[EOS], languages=languages)


class Batches:
    """The pairs of a pack on a device; gives the tensors of a batch of pair numbers."""

    def __init__(self, pack: Pack, special: Special, device: str, multiple: int = 4) -> None:
        self._special = special
        self._device = device
        self._multiple = multiple
        self._sides = (self._side(pack, 0), self._side(pack, 1))
        starts = [special.languages.get(language, -1) for language in pack.languages]
        self._starts = torch.tensor(np.array(starts)[pack.directions[:, 1]], device=device)
        self._lengths = pack.lengths.astype(np.int64)

    def __call__(self, rows: Array) -> Batch:
        """The tensors of these pairs."""
        index = torch.as_tensor(rows).to(self._device, non_blocking=True)
        longest = self._lengths[rows].max(axis=0)
        pad = self._special.pad
        text = self._rows(0, index, int(longest[0]), before=1)
        source = torch.cat([self._starts[index][:, None], text], dim=1)
        target = self._rows(1, index, int(longest[1]))
        # A decoder of Marian begins with the padding token.
        read = torch.cat([target.new_full((len(rows), 1), pad), target[:, :-1]], dim=1)
        places = self._places(rows, target.shape[1])
        return Batch(source, (source != pad).long(), read, places, target.flatten()[places])

    def _places(self, rows: Array, width: int) -> Tensor:
        """Where tokens are among the padded rows; told by the host, as asking a GPU would wait for it."""
        counts = self._lengths[rows, 1] + 1
        starts = np.arange(len(rows)) * width - (np.cumsum(counts) - counts)
        places = np.repeat(starts, counts) + np.arange(counts.sum())
        return torch.as_tensor(places).to(self._device, non_blocking=True)

    def _side(self, pack: Pack, side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids, and where each pair's begin and how many they are."""
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
        """Rows of ids, each with an end token, padded to a common width, a multiple with what comes before."""
        tokens, starts, lengths = self._sides[side]
        width = -(-(before + longest + 1) // self._multiple) * self._multiple - before
        places = torch.arange(width, device=self._device)
        length = lengths[index][:, None]
        at = (starts[index][:, None] + places).clamp_(max=len(tokens) - 1)
        ids = tokens[at].long()
        ids = torch.where(places == length, self._special.end, ids)
        return torch.where(places > length, self._special.pad, ids)
