"""A data set of sentence pairs as flat arrays of token ids.

Needs numpy alone, so that a machine with little installed can train on it.
"""

import lzma
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 28, "lc": 0, "lp": 1, "pb": 1}]
"""For numbers of 16 bits; the dictionary reaches over all of them, as sentences come again with other languages."""


@dataclass(frozen=True)
class EncodedPair:
    """Token ids of a pair, without end and language tokens; `languages` are indexes into those of the data set."""

    source: Sequence[int]
    target: Sequence[int]
    languages: tuple[int, int]
    weights: tuple[float, float]


@dataclass(frozen=True)
class PackedPairs:
    """Pairs of one vocabulary: token ids of all sources and of all targets on end (uint16), and per pair two lengths
    (uint16), two languages (uint8) and two weights (float16): how often it is seen in one pass over the data, by a
    training in this direction and by one in the other."""

    languages: tuple[str, ...]
    sources: Array
    targets: Array
    lengths: Array
    directions: Array
    weights: Array

    @classmethod
    def of(cls, pairs: Iterable[EncodedPair], languages: Sequence[str]) -> Self:
        """PackedPairs pairs in their order."""
        rows = list(pairs)
        return cls(
            languages=tuple(languages),
            sources=np.fromiter((number for row in rows for number in row.source), np.uint16),
            targets=np.fromiter((number for row in rows for number in row.target), np.uint16),
            lengths=np.array([(len(row.source), len(row.target)) for row in rows], np.uint16).reshape(-1, 2),
            directions=np.array([row.languages for row in rows], np.uint8).reshape(-1, 2),
            weights=np.array([row.weights for row in rows], np.float16).reshape(-1, 2),
        )

    def __len__(self) -> int:
        return len(self.weights)

    def reversed(self) -> "PackedPairs":
        """The pairs in the other direction."""
        return PackedPairs(
            self.languages,
            self.targets,
            self.sources,
            self.lengths[:, ::-1],
            self.directions[:, ::-1],
            self.weights[:, ::-1],
        )

    def write(self, path: Path) -> None:
        """Write a numpy archive, under xz when the name ends so."""
        held = BytesIO()
        np.savez(
            held,
            languages=np.array(self.languages),
            sources=self.sources,
            targets=self.targets,
            lengths=self.lengths,
            directions=self.directions,
            weights=self.weights,
        )
        data = held.getvalue()
        path.write_bytes(lzma.compress(data, filters=_FILTERS) if path.suffix == ".xz" else data)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        data = path.read_bytes()
        with np.load(BytesIO(lzma.decompress(data) if path.suffix == ".xz" else data), allow_pickle=False) as arrays:
            languages = tuple(str(language) for language in arrays["languages"])
            names = ("sources", "targets", "lengths", "directions", "weights")
            return cls(languages, *(arrays[name] for name in names))


def epoch_batches(pack: PackedPairs, batch_tokens: int, longest: int, seed: int) -> Iterator[list[Array]]:
    """Batches of pair indexes for each epoch, endlessly; deterministic for a seed.

    A pair is repeated by the integer part of its weight, and once more with the probability of the fraction. Pairs of
    similar length share a batch of at most `batch_tokens` tokens on the longer side, padding included; pairs longer
    than `longest` are left out.
    """
    sizes = pack.lengths.max(axis=1).astype(np.int64) + 2
    fitting = sizes <= min(longest, batch_tokens)
    number = 0
    while True:
        draw = np.random.default_rng([seed, number])
        times = np.floor(pack.weights[:, 0].astype(np.float32) + draw.random(len(pack), np.float32)).astype(np.int64)
        chosen = np.repeat(np.arange(len(pack)), times * fitting)
        jitter = draw.random(len(chosen), np.float32)
        chosen = chosen[np.argsort(sizes[chosen] + jitter, kind="stable")]
        batches = list(_token_batches(chosen, sizes, batch_tokens))
        draw.shuffle(batches)
        yield batches
        number += 1


def _token_batches(chosen: Array, sizes: Array, batch_tokens: int) -> Iterator[Array]:
    """Split pairs, sorted by size, into batches whose padded size stays within `batch_tokens`."""
    start, count = 0, len(chosen)
    while start < count:
        end = start
        longest = 0
        while end < count:
            longest = max(longest, int(sizes[chosen[end]]))
            if longest * (end + 1 - start) > batch_tokens and end > start:
                break
            end += 1
        yield chosen[start:end]
        start = end
