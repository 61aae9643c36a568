"""Translation: lines of text in one language become as many lines in another."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Request, Result, Weights
from modalities.errors import InvalidCatalogue, UnsupportedLanguagePair
from modalities.models.catalogue import Catalogue
from modalities.models.devices import choose_device
from modalities.translation.checkpoint import Question, TranslationModel, load_translator, read_vocabulary
from modalities.translation.conversion import read_config
from modalities.translation.languages import best_match, is_same_language, is_written_without_spaces
from modalities.translation.sentences import Span, split_line, split_to_fit, symbols
from storage.artifacts import ArtifactStore

_LINES, _CHARACTERS = 32, 4000
_PIVOT = "en"
_WORD = re.compile(r"[^\W_]+")


class Translation(Result):
    """As many lines as were asked for, in the same order; an empty line is empty. Languages are BCP 47."""

    lines: tuple[str, ...]
    source: str
    target: str


class Translate(Request[Translation]):
    """Say lines of text in another language."""

    lines: tuple[str, ...]
    source: str = Field(description="BCP 47: what the lines are in.")
    target: str = Field(description="BCP 47: what they become.")


@dataclass(frozen=True)
class Hop:
    """One model's step on the way from a language to another."""

    model: str
    source: str
    target: str


class TranslatorOptions(BaseModel):
    """The `options` of a translation model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = Field(min_length=1, description="BCP 47: from these.")
    targets: tuple[str, ...] = Field(min_length=1, description="BCP 47: into each of these.")
    codes: dict[str, str] = Field(
        default_factory=dict, description="The model's tokens of languages, where its vocabulary does not tell."
    )
    beam_size: int = Field(default=4, ge=1)
    sentences_at_once: int = Field(default=32, ge=1)
    longest_sentence: int = Field(
        default=200, ge=8, description="Tokens; a longer sentence is cut, at a clause if any."
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves it to OMP_NUM_THREADS.")


@dataclass(frozen=True)
class _Part:
    """A part of a line: copied when it asks nothing."""

    text: str
    question: Question | None = None
    lacking: tuple[str, ...] = ()


def requests_for_lines(model: str, lines: Sequence[str], source: str, target: str) -> list[Translate]:
    """Requests of at most 32 lines and 4,000 characters (more if one line is longer), together all lines."""
    pieces: list[list[str]] = []
    for line in lines:
        last = pieces[-1] if pieces else None
        if last and len(last) < _LINES and sum(map(len, last)) + len(line) <= _CHARACTERS:
            last.append(line)
        else:
            pieces.append([line])
    return [Translate(model=model, lines=tuple(piece), source=source, target=target) for piece in pieces]


def route(catalogue: Catalogue, source: str, target: str) -> tuple[Hop, ...]:
    """The profile's first model for the pair, or else two models with a language between, English before others.

    No hops where there is nothing to translate. Raises UnsupportedLanguagePair.
    """
    if is_same_language(source, target):
        return ()
    models = {name: _options(catalogue.spec(name)) for name in catalogue.profile.translation}
    if direct := _hop(models, source, target):
        return (direct,)
    between = dict.fromkeys(language for options in models.values() for language in options.targets)
    for pivot in sorted(between, key=lambda language: language != _PIVOT):
        first, second = _hop(models, source, pivot), _hop(models, pivot, target)
        if first and second:
            return (first, second)
    pairs = [f"{', '.join(options.sources)} to {', '.join(options.targets)}" for options in models.values()]
    raise UnsupportedLanguagePair(
        f"No model translates from {source} to {target}: "
        f"the profile has {'; '.join(dict.fromkeys(pairs)) or 'no model that translates'}."
    )


def languages_of(catalogue: Catalogue) -> list[str]:
    """What the profile's models translate from or to, in order."""
    options = [_options(catalogue.spec(name)) for name in catalogue.profile.translation]
    return sorted({language for each in options for language in (*each.sources, *each.targets)})


def _hop(models: dict[str, TranslatorOptions], source: str, target: str) -> Hop | None:
    for name, options in models.items():
        pair = _pair(options, source, target)
        if pair:
            return Hop(name, *pair)
    return None


def _pair(options: TranslatorOptions, source: str, target: str) -> tuple[str, str] | None:
    """The pair as the model's entry spells it."""
    first, second = best_match(source, options.sources), best_match(target, options.targets)
    return (first, second) if first and second and not is_same_language(first, second) else None


def _options(spec: ModelSpec) -> TranslatorOptions:
    try:
        return TranslatorOptions.model_validate(spec.options)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise InvalidCatalogue(
            f"The options of the model {spec.name} are not right: {place}: {fault['msg']}."
        ) from error


class CTranslate2Translator:
    """Marian, M2M100 and NLLB checkpoints in the layout of transformers, converted to CTranslate2 once."""

    version: ClassVar[str] = "1"

    def __init__(self, model: TranslationModel, options: TranslatorOptions) -> None:
        self.batch_size = 8  # requests; an answer is kept as soon as the eight it is among are done
        self.model = model
        self._options = options
        self._longest = min(options.longest_sentence, model.positions - 8)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Convert the checkpoint if that was not done before, and load it. Raises ModelUnavailable."""
        options = _options(spec)
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
        """One translation per request. Sentences of all requests run together, those of like length in one batch."""
        plans = [self._plan(request) for request in requests]
        lines = [line for plan in plans if not isinstance(plan, ItemError) for line in plan]
        asked = dict.fromkeys(part.question for line in lines for part in line if part.question)
        said = self.model.say(list(asked), progress)
        return [
            plan
            if isinstance(plan, ItemError)
            else Translation(
                lines=tuple(_joined(line, said, request.target) for line in plan),
                source=request.source,
                target=request.target,
            )
            for request, plan in zip(requests, plans, strict=True)
        ]

    def _plan(self, request: Translate) -> list[list[_Part]] | UnsupportedLanguagePair:
        """The parts of each line, or why the model cannot translate them."""
        pair = _pair(self._options, request.source, request.target)
        if pair is None:
            return UnsupportedLanguagePair(
                f"The model {request.model} does not translate from {request.source} to {request.target}, "
                f"but from {', '.join(self._options.sources)} to {', '.join(self._options.targets)}."
            )
        return [[part for span in split_line(line) for part in self._parts(span, *pair)] for line in request.lines]

    def _parts(self, span: Span, source: str, target: str) -> Iterator[_Part]:
        """What the model can read, whole or in pieces; a text that is mostly unknown to it is copied."""
        spans = [span] if span.copied else split_to_fit(span.text, self._count, self._longest)
        for text, is_copied in spans:
            pieces = [] if is_copied else self.model.vocabulary.pieces(text)
            unknown = sum(map(self.model.vocabulary.is_unknown, pieces))
            if unknown * 2 >= len(pieces):
                yield _Part(text)
            else:
                candidates = [*symbols(text), *_WORD.findall(text)] if unknown else []
                lacking = tuple(word for word in candidates if self.model.vocabulary.lacks(word))
                yield _Part(text, self.model.vocabulary.question(pieces, source, target), lacking)

    def _count(self, text: str) -> int:
        return len(self.model.vocabulary.pieces(text))


def _joined(line: Sequence[_Part], said: dict[Question, str], target: str) -> str:
    """The line in the other language, with or without spaces between sentences as that language has it."""
    is_dense = is_written_without_spaces(target)
    text = ""
    for number, part in enumerate(line):
        is_after_words = number > 0 and line[number - 1].question is not None
        is_before_words = number + 1 < len(line) and line[number + 1].question is not None
        if is_dense and part.text == " " and is_after_words and is_before_words:
            continue
        if part.question and is_after_words and not is_dense:
            text += " "
        text += _in_words(part, said)
    return text


def _in_words(part: _Part, said: dict[Question, str]) -> str:
    """A part's translation; what the vocabulary lacks and the translation does not have is put at its end."""
    if part.question is None:
        return part.text
    answer = said[part.question] or part.text
    lost = [word if symbols(word) else f"({word})" for word in part.lacking if word not in answer]
    return " ".join([answer, *lost])
