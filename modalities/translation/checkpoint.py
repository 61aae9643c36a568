"""Translation models: a Marian, M2M100 or NLLB checkpoint in CTranslate2 form, and the words for talking to it."""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modalities.contract import Progress, Weights
from modalities.errors import ModelUnavailable
from modalities.translation.conversion import converted, read_config, token_numbers
from modalities.translation.languages import has_language_tokens, language_token

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE_MARK = "▁"


@dataclass(frozen=True)
class Question:
    """A sentence as the model reads it, and the tokens with which its answer has to begin."""

    tokens: tuple[str, ...]
    prefix: tuple[str, ...] = ()


class Vocabulary:
    """A checkpoint's tokenizer, and what it calls the languages of the catalogue."""

    def __init__(self, tokenizer: Any, family: str, codes: Mapping[str, str]) -> None:
        self._tokenizer = tokenizer
        self._family = family
        self._known = frozenset(token_numbers(tokenizer))
        self._special = frozenset(tokenizer.all_special_tokens) | frozenset(codes.values())
        self._codes = dict(codes)

    @property
    def unwanted(self) -> tuple[str, ...]:
        """Tokens that no answer should have."""
        return (self._tokenizer.pad_token,) if self._family == "marian" else ()

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, which cannot name special tokens or languages."""
        guarded = f" {text}" if text.startswith(">>") else text
        return self._tokenizer.tokenize(guarded, split_special_tokens=True)

    def question(self, pieces: Sequence[str], source: str, target: str) -> Question:
        """The pieces with what the model's family puts before and after them."""
        end = self._tokenizer.eos_token
        if self._family == "marian":
            start = (self._codes[target],) if target in self._codes else ()
            return Question((*start, *pieces, end))
        if getattr(self._tokenizer, "legacy_behaviour", False):
            return Question((*pieces, end, self._codes[source]), (self._codes[target],))
        return Question((self._codes[source], *pieces, end), (self._codes[target],))

    def text(self, tokens: Iterable[str]) -> str:
        """The text of an answer, on one line."""
        joined = self._tokenizer.convert_tokens_to_string([token for token in tokens if token not in self._special])
        visible = (" " if unicodedata.category(character) == "Cc" else character for character in joined)
        return " ".join("".join(visible).replace("\ufffd", "").split())

    def is_unknown(self, piece: str) -> bool:
        """Whether the model has learnt nothing for a piece: it is not in the vocabulary, or only a byte of one."""
        return piece not in self._known or piece == self._tokenizer.unk_token or _BYTE.fullmatch(piece) is not None

    def lacks(self, word: str) -> bool:
        """Whether every piece of a word is unknown."""
        return all(self.is_unknown(piece) for piece in self.pieces(word) if piece != _SPACE_MARK)


@dataclass(frozen=True)
class TranslationModel:
    """A loaded model: questions in, answers out. `positions` is the most tokens that it was built for."""

    translator: Any
    vocabulary: Vocabulary
    positions: int
    beam_size: int
    sentences_at_once: int

    def say(self, questions: Sequence[Question], progress: Progress) -> dict[Question, str]:
        """The answers in words; progress goes by tokens. What runs on is asked again, with repetition forbidden."""
        said: dict[Question, str] = {}
        total, done = sum(len(question.tokens) for question in questions), 0
        for batch, longest in _batches(questions, self.sentences_at_once):
            limit = min(2 * longest + 32, self.positions - 2)
            answers = dict(zip(batch, self.decode(batch, limit, 0), strict=True))
            again = [q for q, a in answers.items() if len(q.prefix) + len(a) >= limit or _runs_on(a, q.tokens)]
            answers.update(zip(again, self.decode(again, limit, 3), strict=True))
            said |= {question: self.vocabulary.text(answer) for question, answer in answers.items()}
            done += sum(len(question.tokens) for question in batch)
            progress(done / total)
        return said

    def decode(self, questions: list[Question], limit: int, no_repeat: int) -> list[list[str]]:
        """The tokens of each answer, at most `limit`; no run of `no_repeat` tokens comes twice (0: any may)."""
        if not questions:
            return []
        results = self.translator.translate_batch(
            [list(question.tokens) for question in questions],
            target_prefix=[list(question.prefix) for question in questions],
            beam_size=self.beam_size,
            max_input_length=0,
            max_decoding_length=limit,
            no_repeat_ngram_size=no_repeat,
            suppress_sequences=[[token] for token in self.vocabulary.unwanted] or None,
            replace_unknowns=True,
        )
        return [
            result.hypotheses[0][len(question.prefix) :] for question, result in zip(questions, results, strict=True)
        ]


def read_vocabulary(
    name: str, weights: Weights, sources: Sequence[str], targets: Sequence[str], named: Mapping[str, str]
) -> Vocabulary:
    """The tokenizer of a checkpoint; `named` are languages' tokens that its vocabulary does not tell.

    Raises ModelUnavailable when a language has no token and needs one.
    """
    from transformers import AutoTokenizer

    family = str(read_config(name, weights)["model_type"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sacremoses is recommended for Marian, and not used by its tokenizer
        tokenizer: Any = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True)
    known = token_numbers(tokenizer)
    wanted = sorted({*sources, *targets}) if family != "marian" else sorted(targets) if _is_told(known, named) else []
    found = {tag: named.get(tag) or language_token(tag, known) for tag in wanted}
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
    """CTranslate2's Translator, in the number format `compute`. Raises ModelUnavailable."""
    import ctranslate2

    supported = ctranslate2.get_supported_compute_types(device)
    if compute not in supported:
        raise ModelUnavailable(
            f"The model {name} asks for {compute}, which CTranslate2 cannot compute in on this {device}: "
            f"choose one of {', '.join(sorted(supported))}."
        )
    folder = converted(name, weights, compute)
    return ctranslate2.Translator(
        str(folder), device=device, compute_type=compute, inter_threads=1, intra_threads=threads
    )


def _is_told(known: Iterable[str], named: Mapping[str, str]) -> bool:
    return bool(named) or has_language_tokens(known)


def _batches(questions: Sequence[Question], size: int) -> Iterator[tuple[list[Question], int]]:
    """Batches of like length with a bound on it, a power of two: an answer's own limit never depends on its company."""
    groups: dict[int, list[Question]] = {}
    for question in sorted(questions, key=lambda question: (len(question.tokens), question.tokens, question.prefix)):
        groups.setdefault(max(16, 1 << (len(question.tokens) - 1).bit_length()), []).append(question)
    for longest, group in groups.items():
        for start in range(0, len(group), size):
            yield group[start : start + size], longest


def _runs_on(answer: Sequence[str], question: Sequence[str]) -> bool:
    """Whether up to eight tokens come again and again, at least four times and more often than in the question."""
    return _most_repeated(answer) > max(3, _most_repeated(question) + 1)


def _most_repeated(tokens: Sequence[str]) -> int:
    """How often the same one to eight tokens follow each other without anything between."""
    most = 1
    for size in range(1, 9):
        run = 0
        for here in range(size, len(tokens)):
            run = run + 1 if tokens[here] == tokens[here - size] else 0
            most = max(most, run // size + 1)
    return most
