"""Packed token ids, and pairs of segments for next-sentence prediction.

Half of the pairs are two consecutive parts of one text; in the others the second part is that of another text. A text
is cut between two of its sentences, or at a word if it has one sentence alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.pretraining.corpus import Document
from training.pretraining.vocabulary import CONTINUATION

Numbers = NDArray[np.int64]
SPECIAL_TOKENS = 3
"""[CLS] first [SEP] second [SEP]."""
_SHORTEST = 4
_BATCH = 10_000


@dataclass(frozen=True)
class PackedTexts:
    """The token ids of texts. `starts` are the places of the first token of each sentence, and the end; `texts` are the
    numbers of the first sentence of each text, and the end."""

    ids: NDArray[np.int32]
    starts: Numbers
    texts: Numbers

    def write(self, file: Path) -> None:
        """Write an .npz file."""
        with file.open("wb") as opened:
            np.savez(opened, ids=self.ids, starts=self.starts, texts=self.texts)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read an .npz file."""
        with np.load(file, allow_pickle=False) as kept:
            return cls(kept["ids"], kept["starts"], kept["texts"])


@dataclass(frozen=True)
class Pairs:
    """Examples as places in the ids: of the first part [start, cut), of the second [other, end), and whether the second
    is that of another text."""

    start: Numbers
    cut: Numbers
    other: Numbers
    end: Numbers
    is_random: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def lengths(self) -> Numbers:
        """Tokens of each example, with the special ones."""
        return self.cut - self.start + self.end - self.other + SPECIAL_TOKENS


def pack(documents: Sequence[Document], tokenizer: Any) -> PackedTexts:
    """Tokenize texts; those of fewer than four tokens are left out."""
    sentences = [sentence for document in documents for sentence in document]
    tokens: list[list[int]] = []
    for at in range(0, len(sentences), _BATCH):
        tokens += tokenizer(sentences[at : at + _BATCH], add_special_tokens=False, verbose=False)["input_ids"]
    kept: list[list[int]] = []
    texts, place = [0], 0
    for document in documents:
        rows = [row for row in tokens[place : place + len(document)] if row]
        place += len(document)
        if sum(map(len, rows)) >= _SHORTEST:
            kept += rows
            texts.append(len(kept))
    starts = np.concatenate([[0], np.cumsum([len(row) for row in kept], dtype=np.int64)])
    ids = np.fromiter((token for row in kept for token in row), np.int32, int(starts[-1]))
    return PackedTexts(ids, starts.astype(np.int64), np.array(texts, np.int64))


def continuations(tokenizer: Any) -> NDArray[np.bool_]:
    """For each id of the vocabulary, whether it continues a word."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return np.array([piece.startswith(CONTINUATION) for piece in pieces])


def pairs_of(packed: PackedTexts, is_continuation: NDArray[np.bool_], max_tokens: int, seed: int) -> Pairs:
    """Draw the pairs of one epoch: each text is cut into windows that fit, each window into two parts."""
    rng, most = np.random.default_rng(seed), max_tokens - SPECIAL_TOKENS
    rows = [
        (*_cut(packed, window, most, is_continuation, rng), number)
        for number in range(len(packed.texts) - 1)
        for window in _windows(packed, number, most)
    ]
    start, cut, end, text = np.array(rows, np.int64).reshape(-1, 4).T
    partner = rng.permutation(len(start))
    is_random = (rng.random(len(start)) < 0.5) & (text[partner] != text)
    other = np.where(is_random, cut[partner], cut)
    stop = np.where(is_random, end[partner], end)
    return Pairs(start, cut, other, np.minimum(stop, other + np.maximum(1, most - (cut - start))), is_random)


def _windows(packed: PackedTexts, text: int, most: int) -> list[tuple[int, int]]:
    """Runs of sentences of a text, as places (first, end) in `starts`, that have at most `most` tokens or are one."""
    first, end = int(packed.texts[text]), int(packed.texts[text + 1])
    found: list[tuple[int, int]] = []
    while first < end:
        last = int(np.searchsorted(packed.starts, packed.starts[first] + most, side="right")) - 1
        last = min(end, max(first + 1, last))
        found.append((first, last))
        first = last
    return found if len(found) == 1 else [w for w in found if packed.starts[w[1]] - packed.starts[w[0]] >= _SHORTEST]


def _cut(
    packed: PackedTexts,
    window: tuple[int, int],
    most: int,
    is_continuation: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[int, int, int]:
    """The places of the first token, the cut, and the end: between two sentences, or at a word in the middle half."""
    first, last = window
    start = int(packed.starts[first])
    end = min(int(packed.starts[last]), start + most)
    if last - first > 1:
        return start, int(packed.starts[int(rng.integers(first + 1, last))]), end
    quarter = max(1, (end - start) // 4)
    middle = np.arange(start + quarter, max(start + quarter + 1, end - quarter))
    words = middle[~is_continuation[packed.ids[middle]]]
    return start, int(rng.choice(words if len(words) else middle)), end
