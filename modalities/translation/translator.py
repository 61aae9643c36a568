"""The operator for Marian, M2M100 and NLLB checkpoints, run by CTranslate2."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.errors import InvalidCatalogue, UnsupportedLanguagePair
from modalities.models.devices import choose_device
from modalities.translation.checkpoint import ModelInput, TranslationModel, load_translator, read_vocabulary
from modalities.translation.conversion import read_config
from modalities.translation.languages import best_match, is_same_language, is_written_without_spaces
from modalities.translation.requests import Translate, Translation
from modalities.translation.sentences import Span, split_line, split_to_fit, symbols
from storage.artifacts import ArtifactStore

_WORD = re.compile(r"[^\W_]+")


class TranslatorOptions(BaseModel):
    """The `options` of a translation model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = Field(min_length=1, description="BCP 47 languages to translate from.")
    targets: tuple[str, ...] = Field(min_length=1, description="BCP 47 languages to translate into.")
    codes: dict[str, str] = Field(
        default_factory=dict, description="Language tokens by BCP 47 tag, where the vocabulary does not show them."
    )
    beam_size: int = Field(default=4, ge=1)
    sentences_at_once: int = Field(default=32, ge=1)
    longest_sentence: int = Field(
        default=200, ge=8, description="Tokens; a longer sentence is split, at a clause if possible."
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0: as OMP_NUM_THREADS says.")


@dataclass(frozen=True)
class _Part:
    """A part of a line: translated through `model_input`, or copied if that is None."""

    text: str
    model_input: ModelInput | None = None
    unknown_words: tuple[str, ...] = ()
    """Words for which the vocabulary has no token at all."""


def matching_pair(options: TranslatorOptions, source: str, target: str) -> tuple[str, str] | None:
    """Return the language pair as the model's catalogue entry spells it, or None if the model does not support it."""
    first, second = best_match(source, options.sources), best_match(target, options.targets)
    return (first, second) if first and second and not is_same_language(first, second) else None


def read_options(spec: ModelSpec) -> TranslatorOptions:
    """Validate the options of a translation model. Raises InvalidCatalogue."""
    try:
        return TranslatorOptions.model_validate(spec.options)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        raise InvalidCatalogue(
            f"The options of the model {spec.name} are not right: {field}: {fault['msg']}."
        ) from error


class CTranslate2Translator:
    """Marian, M2M100 and NLLB checkpoints in transformers' layout, converted to CTranslate2 on first use."""

    version: ClassVar[str] = "1"

    def __init__(self, model: TranslationModel, options: TranslatorOptions) -> None:
        self.batch_size = 8  # requests: each batch of eight is stored as soon as it is done
        self.model = model
        self._options = options
        self._longest = min(options.longest_sentence, model.positions - 8)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Convert the checkpoint if it is not in the cache, and load it. Raises ModelUnavailable, InvalidCatalogue."""
        options = read_options(spec)
        device = "cuda" if choose_device(spec) == "cuda" else "cpu"
        compute = spec.dtype if spec.dtype != "auto" else "float16" if device == "cuda" else "int8"
        vocabulary = read_vocabulary(spec.name, weights, options.sources, options.targets, options.codes)
        model = TranslationModel(
            translator=load_translator(spec.name, weights, device, compute, options.threads),
            vocabulary=vocabulary,
            positions=int(read_config(spec.name, weights)["max_position_embeddings"]),
            beam_size=options.beam_size,
            sentences_at_once=options.sentences_at_once,
        )
        return cls(model, options)

    def __call__(
        self, requests: Sequence[Translate], store: ArtifactStore, progress: Progress
    ) -> Sequence[Translation | ItemError]:
        """Return one translation per request. The sentences of all requests are batched together by length."""
        plans = [self._plan(request) for request in requests]
        lines = [line for plan in plans if not isinstance(plan, ItemError) for line in plan]
        inputs = dict.fromkeys(part.model_input for line in lines for part in line if part.model_input)
        translations = self.model.translate(list(inputs), progress)
        return [
            plan
            if isinstance(plan, ItemError)
            else Translation(
                lines=tuple(_join_parts(line, translations, request.target) for line in plan),
                source=request.source,
                target=request.target,
            )
            for request, plan in zip(requests, plans, strict=True)
        ]

    def _plan(self, request: Translate) -> list[list[_Part]] | UnsupportedLanguagePair:
        """Split each line into parts, or return the error of a language pair that the model does not support."""
        pair = matching_pair(self._options, request.source, request.target)
        if pair is None:
            return UnsupportedLanguagePair(
                f"The model {request.model} does not translate from {request.source} to {request.target}, "
                f"but from {', '.join(self._options.sources)} to {', '.join(self._options.targets)}."
            )
        return [[part for span in split_line(line) for part in self._parts(span, *pair)] for line in request.lines]

    def _parts(self, span: Span, source: str, target: str) -> Iterator[_Part]:
        """Split a span into parts that fit the model; a text of which half the tokens are unknown is copied."""
        spans = [span] if span.copied else split_to_fit(span.text, self._count, self._longest)
        for text, is_copied in spans:
            pieces = [] if is_copied else self.model.vocabulary.tokenize(text)
            unknown = sum(map(self.model.vocabulary.is_unknown, pieces))
            if unknown * 2 >= len(pieces):
                yield _Part(text)
            else:
                candidates = [*symbols(text), *_WORD.findall(text)] if unknown else []
                unknown_words = tuple(word for word in candidates if self.model.vocabulary.is_unknown_word(word))
                yield _Part(text, self.model.vocabulary.model_input(pieces, source, target), unknown_words)

    def _count(self, text: str) -> int:
        return len(self.model.vocabulary.tokenize(text))


def _join_parts(line: Sequence[_Part], translations: dict[ModelInput, str], target: str) -> str:
    """Join the translated parts of a line, with spaces between sentences if the target language has them."""
    has_no_spaces = is_written_without_spaces(target)
    text = ""
    for number, part in enumerate(line):
        is_after_words = number > 0 and line[number - 1].model_input is not None
        is_before_words = number + 1 < len(line) and line[number + 1].model_input is not None
        if has_no_spaces and part.text == " " and is_after_words and is_before_words:
            continue
        if part.model_input and is_after_words and not has_no_spaces:
            text += " "
        text += _translated(part, translations)
    return text


def _translated(part: _Part, translations: dict[ModelInput, str]) -> str:
    """Return the translation of a part; append its unknown words that the translation does not contain."""
    if part.model_input is None:
        return part.text
    answer = translations[part.model_input] or part.text
    missing = [word if symbols(word) else f"({word})" for word in part.unknown_words if word not in answer]
    return " ".join([answer, *missing])
