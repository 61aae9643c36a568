"""Texts as tokens: a byte-level BPE vocabulary of their own, all texts in one row, and windows of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
_BEGIN, _END = "<s>", "</s>"


def train_bpe(texts: Sequence[str], size: int) -> Any:
    """A fast tokenizer of transformers with a byte-level BPE vocabulary of at most `size` pieces."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=size, min_frequency=2, special_tokens=[_BEGIN, _END])
    backend: Any = trained
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=backend._tokenizer, bos_token=_BEGIN, eos_token=_END)


def row_of(texts: Sequence[str], tokenizer: Any) -> Tokens:
    """All texts one after the other, each between the tokens of its beginning and end."""
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    ids = (token for each in tokenizer(list(texts))["input_ids"] for token in (begin, *each, end))
    return np.fromiter(ids, np.int32)


def windows(row: Tokens, length: int, batch: int, seed: int) -> Iterator[Tokens]:
    """Windows of a row in random order, from a random offset on, in batches of shape (batch, length + 1)."""
    rng = np.random.default_rng(seed)
    count = max(1, (len(row) - 1) // length)
    slack = len(row) - 1 - count * length
    offset = int(rng.integers(max(0, slack) + 1))
    starts = offset + length * rng.permutation(count)
    for first in range(0, count, batch):
        chosen = [row[start : start + length + 1] for start in starts[first : first + batch]]
        longest = min(len(each) for each in chosen)
        yield np.stack([each[:longest] for each in chosen])


def unigram_perplexity(row: Tokens, held_out: Tokens, vocabulary: int) -> float:
    """The perplexity of knowing how frequent each token is, and nothing else (add-one smoothing)."""
    counts = Counter(row.tolist())
    shares = np.array([counts[token] + 1 for token in range(vocabulary)], np.float64) / (len(row) + vocabulary)
    return float(np.exp(-np.log(shares[held_out[1:]]).mean()))
