"""A fine-tuned encoder with a head: texts to labels with probabilities, or to a number such as a rating.

classifier.json                          its labels or range, pooling, temperature and threshold
config.json, model.safetensors, …        the encoder and its tokenizer, in transformers' layout
head.safetensors                         weight: float32 (outputs, dimension); bias: float32 (outputs,)
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modalities.classification.head import Array, softmax
from modalities.classification.requests import Classified, Rated, classified
from modalities.errors import ModelUnavailable

FACTS, HEAD = "classifier.json", "head.safetensors"
Text = tuple[str, str]
"""A text, and the other one of a pair or an empty one."""
_BATCH_TOKENS = 4096
_DIGITS = 4


class FineTunedFacts(BaseModel):
    """What `classifier.json` says. A model of ratings has no labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["texts", "pairs"]
    labels: tuple[str, ...] = ()
    encoder: str
    """The model that fine-tuning began with."""
    pooling: Literal["mean", "cls"]
    max_tokens: int = Field(ge=3)
    temperature: float = Field(default=1.0, gt=0)
    """What the logits are divided by, so that probabilities are calibrated."""
    threshold: float = Field(default=0.0, ge=0, le=1)
    """Below this probability an item is out of scope: none of the labels."""
    mean: float = 0.0
    """Of ratings: the mean of the training examples, which is added to the output."""
    deviation: float = Field(default=1.0, gt=0)
    """Of ratings: the standard deviation of the training examples, by which the output is multiplied."""
    lowest: float = 0.0
    highest: float = 0.0
    """Of ratings: the range of the training examples; no answer is beyond it."""
    dataset: str
    """NAME@DIGEST of the dataset that it was trained on."""

    @property
    def rates(self) -> bool:
        """Whether it answers with a number in place of a label."""
        return not self.labels


class FineTuned:
    """A loaded encoder with its head."""

    def __init__(self, facts: FineTunedFacts, encoder: Any, tokenizer: Any, weight: Array, bias: Array) -> None:
        self.facts = facts
        self._encoder, self._tokenizer = encoder, tokenizer
        self._weight, self._bias = weight, bias
        self._tokenizer_lock = Lock()  # a fast tokenizer keeps its truncation settings as state: not thread-safe

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", dtype: str = "float32") -> Self:
        """Read a folder. Raises ModelUnavailable if it holds no fine-tuned classifier."""
        import torch
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from transformers import AutoModel, AutoTokenizer

        try:
            facts = FineTunedFacts.model_validate_json((folder / FACTS).read_text(encoding="utf-8"))
            tensors = load_file(folder / HEAD)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            encoder: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=getattr(torch, dtype)
            )
            return cls(facts, encoder.to(device).eval(), tokenizer, tensors["weight"], tensors["bias"])
        except (OSError, ValidationError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
            raise ModelUnavailable(
                f"{folder.name} holds no fine-tuned classifier: train one with `triptych train … --dataset NAME`."
            ) from error

    def outputs(self, texts: Sequence[Text]) -> Array:
        """The outputs of the head for each text, before temperature or scale: shape (texts, outputs)."""
        import torch

        rows = np.empty((len(texts), len(self._bias)), np.float32)
        with self._tokenizer_lock:
            tokens = tokenize(self._tokenizer, texts, self.facts.max_tokens)
        lengths = np.array([len(each["input_ids"]) for each in tokens], np.int64)
        with torch.inference_mode():
            # Texts of similar length together, to keep padding short.
            for chosen in cut_by_length(np.argsort(lengths, kind="stable"), lengths, _BATCH_TOKENS):
                batch = padded(self._tokenizer, [tokens[number] for number in chosen], self._encoder.device)
                vectors = pool(self._encoder(**batch).last_hidden_state, batch["attention_mask"], self.facts.pooling)
                rows[chosen] = vectors.float().cpu().numpy() @ self._weight.T + self._bias
        return rows

    def probabilities(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """The calibrated probability of each label: shape (texts, labels)."""
        return softmax(self.outputs(texts) / self.facts.temperature)

    def answers(self, texts: Sequence[Text]) -> list[Classified] | list[Rated]:
        """The label or the rating of each text."""
        facts = self.facts
        if facts.rates:
            return [Rated(value=round(float(value), _DIGITS)) for value in self.ratings(texts)]
        return [classified(facts.labels, row, facts.threshold) for row in self.probabilities(texts)]

    def ratings(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """The rating of each text, within the range of the training examples: shape (texts,)."""
        facts = self.facts
        values = self.outputs(texts)[:, 0].astype(np.float64) * facts.deviation + facts.mean
        return np.clip(values, facts.lowest, facts.highest)


def tokenize(tokenizer: Any, texts: Sequence[Text], max_tokens: int) -> list[dict[str, list[int]]]:
    """The tokens of each text or pair, truncated."""
    first, second = [text for text, _ in texts], [other for _, other in texts]
    pairs = (first, second) if any(second) else (first,)
    most = min(max_tokens, tokenizer.model_max_length)
    found = tokenizer(*pairs, truncation=True, max_length=most) if texts else {"input_ids": []}
    return [{name: found[name][number] for name in found} for number in range(len(texts))]


def padded(tokenizer: Any, tokens: Sequence[dict[str, list[int]]], device: Any) -> dict[str, Any]:
    """A batch of tensors of the length of its longest text."""
    return dict(tokenizer.pad(list(tokens), return_tensors="pt").to(device))


def pool(states: Any, mask: Any, pooling: str) -> Any:
    """One vector for each text: the mean of its token vectors, or that of the first token; shape (texts, dimension)."""
    if pooling == "cls":
        return states[:, 0]
    there = mask[..., None].to(states.dtype)
    return (states * there).sum(1) / there.sum(1)


def cut_by_length(order: NDArray[np.int64], lengths: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Cut texts in ascending length into batches of at most `most` tokens, padding included, or of one text."""
    batches: list[NDArray[np.int64]] = []
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or int(lengths[order[end]]) * (end + 1 - start) > most:
            batches.append(order[start:end])
            start = end
    return batches
