"""Load a converted Marian, M2M100, NLLB or T5 (MADLAD) checkpoint with its tokenizer, and run beam search with it."""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modalities.contract import Progress, Weights
from modalities.errors import ModelUnavailable
from modalities.translation.conversion import converted_folder, read_config, token_ids
from modalities.translation.languages import has_language_tokens, language_token

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE_MARK = "▁"
_TARGET_FIRST = ("marian", "t5")
"""Families that are told the target language by a token before the text, and not the source language."""


@dataclass(frozen=True)
class ModelInput:
    """The tokens of a sentence as the model reads them, and the tokens that its output must begin with."""

    tokens: tuple[str, ...]
    prefix: tuple[str, ...] = ()
    is_aligned: bool = False
    """Whether the output has attention weights."""
    hypotheses: int = 1


@dataclass(frozen=True)
class Output:
    """An output: its tokens and text, the mean log-probability of its tokens, and whether it ends by itself.

    `attention` has a row per token with a weight per token of the input. `others` are further hypotheses.
    """

    tokens: tuple[str, ...]
    text: str
    score: float
    is_complete: bool = True
    attention: tuple[tuple[float, ...], ...] = ()
    others: tuple["Output", ...] = ()


class Vocabulary:
    """A checkpoint's tokenizer, and its tokens for the languages of the catalogue entry."""

    def __init__(self, tokenizer: Any, family: str, codes: Mapping[str, str]) -> None:
        self._tokenizer = tokenizer
        self._family = family
        self._known = frozenset(token_ids(tokenizer))
        self._special = frozenset(tokenizer.all_special_tokens) | frozenset(codes.values())
        self._codes = dict(codes)

    @property
    def suppressed(self) -> tuple[str, ...]:
        """Tokens that must not occur in an output."""
        return (self._tokenizer.pad_token,) if self._family == "marian" else ()

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text; text that looks like a special or language token becomes ordinary tokens."""
        guarded = f" {text}" if text.startswith(">>") else text
        return self._tokenizer.tokenize(guarded, split_special_tokens=True)

    def model_input(self, pieces: Sequence[str], source: str, target: str) -> ModelInput:
        """Add the language and end tokens that the model's family expects."""
        end = self._tokenizer.eos_token
        if self._family in _TARGET_FIRST:
            start = (self._codes[target],) if target in self._codes else ()
            return ModelInput((*start, *pieces, end))
        if getattr(self._tokenizer, "legacy_behaviour", False):
            return ModelInput((*pieces, end, self._codes[source]), (self._codes[target],))
        return ModelInput((self._codes[source], *pieces, end), (self._codes[target],))

    def knows(self, token: str) -> bool:
        """Whether a token is a piece of the vocabulary."""
        return token in self._known

    def shown(self, tokens: Iterable[str]) -> list[str]:
        """Return the tokens with an empty one in the place of each special or language token."""
        return ["" if token in self._special else token for token in tokens]

    def text(self, tokens: Iterable[str]) -> str:
        """Convert the tokens of an output to text on one line."""
        joined = self._tokenizer.convert_tokens_to_string([token for token in tokens if token not in self._special])
        visible = (" " if unicodedata.category(character) == "Cc" else character for character in joined)
        return " ".join("".join(visible).replace("\ufffd", "").split())

    def is_unknown(self, piece: str) -> bool:
        """Whether a token is out of vocabulary: missing, the unknown token, or a byte fallback."""
        return piece not in self._known or piece == self._tokenizer.unk_token or _BYTE.fullmatch(piece) is not None

    def is_unknown_word(self, word: str) -> bool:
        """Whether every token of a word is unknown."""
        return all(self.is_unknown(piece) for piece in self.tokenize(word) if piece != _SPACE_MARK)


@dataclass(frozen=True)
class TranslationModel:
    """A loaded model. `positions` is the longest sequence that it was built for, in tokens."""

    translator: Any
    vocabulary: Vocabulary
    positions: int
    beam_size: int
    sentences_at_once: int

    def translate(self, inputs: Sequence[ModelInput], progress: Progress) -> dict[ModelInput, Output]:
        """Return the output of each input; progress is measured in tokens.

        An output that reaches the length limit or loops is decoded again with repeated n-grams forbidden.
        """
        found: dict[ModelInput, Output] = {}
        total, done = sum(len(each.tokens) for each in inputs), 0
        for batch, longest in _length_batches(inputs, self.sentences_at_once):
            limit = min(2 * longest + 32, self.positions - 2)
            outputs = dict(zip(batch, self.decode(batch, limit, 0), strict=True))
            again = [i for i, o in outputs.items() if not o.is_complete or _loops(o.tokens, i.tokens)]
            outputs.update(zip(again, self.decode(again, limit, 3), strict=True))
            found |= outputs
            done += sum(len(each.tokens) for each in batch)
            progress(done / total)
        return found

    def decode(self, inputs: list[ModelInput], limit: int, no_repeat: int) -> list[Output]:
        """Run beam search; return at most `limit` tokens per input, without repeated `no_repeat`-grams (0: allowed)."""
        if not inputs:
            return []
        results = self.translator.translate_batch(
            [list(each.tokens) for each in inputs],
            target_prefix=[list(each.prefix) for each in inputs],
            beam_size=max(self.beam_size, inputs[0].hypotheses),
            num_hypotheses=inputs[0].hypotheses,
            max_input_length=0,
            max_decoding_length=limit,
            no_repeat_ngram_size=no_repeat,
            suppress_sequences=[[token] for token in self.vocabulary.suppressed] or None,
            replace_unknowns=True,
            return_scores=True,
            return_attention=inputs[0].is_aligned,
        )
        return [self._output(each, result, limit) for each, result in zip(inputs, results, strict=True)]

    def _output(self, asked: ModelInput, result: Any, limit: int) -> Output:
        best, *others = [self._hypothesis(asked, result, n, limit) for n in range(len(result.hypotheses))]
        return replace(best, others=tuple(others))

    def _hypothesis(self, asked: ModelInput, result: Any, number: int, limit: int) -> Output:
        skipped = len(asked.prefix)
        tokens = tuple(result.hypotheses[number][skipped:])
        attention = result.attention[number][-len(tokens) :] if asked.is_aligned and tokens else ()
        return Output(
            tokens=tokens,
            text=self.vocabulary.text(tokens),
            score=float(result.scores[number]),
            is_complete=skipped + len(tokens) < limit,
            attention=tuple(map(tuple, attention)),
        )


def read_vocabulary(
    name: str, weights: Weights, sources: Sequence[str], targets: Sequence[str], named: Mapping[str, str]
) -> Vocabulary:
    """Read the tokenizer of a checkpoint; `named` maps languages to tokens that the vocabulary does not show.

    Raises ModelUnavailable if a language needs a token and has none.
    """
    from transformers import AutoTokenizer

    family = str(read_config(name, weights)["model_type"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sacremoses is recommended for Marian, and not used by its tokenizer
        tokenizer: Any = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    known = token_ids(tokenizer)
    wanted = _languages_with_tokens(family, known, sources, targets, named)
    found = {tag: named.get(tag) or _token_of(family, tag, known) for tag in wanted}
    codes = {tag: token for tag, token in found.items() if token is not None and token in known}
    if missing := [tag for tag in wanted if tag not in codes]:
        raise ModelUnavailable(
            f"The vocabulary of {name} has no token for {', '.join(missing)}: "
            "take it out of the model's sources and targets, or name its token under `codes`."
        )
    if family == "marian" and len(targets) > 1 and not codes:
        raise ModelUnavailable(f"The model {name} cannot be told its target language: give it one target.")
    return Vocabulary(tokenizer, family, codes)


def load_translator(name: str, weights: Weights, device: str, compute: str, threads: int) -> Any:
    """Load CTranslate2's Translator with compute type `compute`. Raises ModelUnavailable."""
    import ctranslate2

    supported = ctranslate2.get_supported_compute_types(device)
    if compute not in supported:
        raise ModelUnavailable(
            f"The model {name} asks for {compute}, which CTranslate2 cannot compute in on this {device}: "
            f"choose one of {', '.join(sorted(supported))}."
        )
    folder = converted_folder(name, weights, compute)
    return ctranslate2.Translator(
        str(folder), device=device, compute_type=compute, inter_threads=1, intra_threads=threads
    )


def _languages_with_tokens(
    family: str, known: Iterable[str], sources: Sequence[str], targets: Sequence[str], named: Mapping[str, str]
) -> list[str]:
    """List the languages that the model is told by a token."""
    if family not in _TARGET_FIRST:
        return sorted({*sources, *targets})
    return sorted(targets) if family == "t5" or _selects_target(known, named) else []


def _token_of(family: str, tag: str, known: Iterable[str]) -> str | None:
    return f"<2{tag.replace('-', '_')}>" if family == "t5" else language_token(tag, known)


def _selects_target(known: Iterable[str], named: Mapping[str, str]) -> bool:
    """Whether a Marian model is given its target language as a token."""
    return bool(named) or has_language_tokens(known)


def _length_batches(inputs: Sequence[ModelInput], size: int) -> Iterator[tuple[list[ModelInput], int]]:
    """Batch inputs by length, with the power of two that bounds it; an output limit never depends on other inputs."""
    groups: dict[tuple[int, bool, int], list[ModelInput]] = {}
    for each in sorted(inputs, key=lambda each: (len(each.tokens), each.tokens, each.prefix)):
        longest = max(16, 1 << (len(each.tokens) - 1).bit_length())
        groups.setdefault((longest, each.is_aligned, each.hypotheses), []).append(each)
    for (longest, _, _), group in groups.items():
        for start in range(0, len(group), size):
            yield group[start : start + size], longest


def _loops(output: Sequence[str], source: Sequence[str]) -> bool:
    """Whether an n-gram of up to eight tokens is repeated at least four times, and more often than in the source."""
    return _most_repeated(output) > max(3, _most_repeated(source) + 1)


def _most_repeated(tokens: Sequence[str]) -> int:
    """The largest number of consecutive repetitions of an n-gram of one to eight tokens."""
    most = 1
    for size in range(1, 9):
        run = 0
        for here in range(size, len(tokens)):
            run = run + 1 if tokens[here] == tokens[here - size] else 0
            most = max(most, run // size + 1)
    return most
