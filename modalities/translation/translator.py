"""The operator for Marian, M2M100, NLLB and T5 (MADLAD) checkpoints, run by CTranslate2."""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import ValidationError

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Result, Weights, progress_of_part
from modalities.errors import InvalidCatalogue, UnsupportedLanguagePair
from modalities.models.devices import choose_device
from modalities.translation.attempts import ABOUT_CONTENT, Asker, Asking, together
from modalities.translation.checkpoint import (
    ModelInput,
    Output,
    TranslationModel,
    load_translator,
    read_vocabulary,
)
from modalities.translation.conversion import longest_sequence, read_config
from modalities.translation.languages import best_match, chinese_script, is_same_language
from modalities.translation.lines import TranslatedLine, translate_line
from modalities.translation.options import TranslatorOptions
from modalities.translation.requests import Doubt, MarkedLine, Translate, Translation
from storage.artifacts import ArtifactStore

__all__ = ["CTranslate2Translator", "TranslatorOptions", "matching_pair", "read_options"]
_SHARE_OF_A_ROUND = 0.6
"""Of what is left of the progress: nobody knows how many sentences will have to be asked again."""


def matching_pair(options: TranslatorOptions, source: str, target: str) -> tuple[str, str] | None:
    """Return the language pair as the model's catalogue entry spells it, or None if the model does not support it.

    A model for Chinese in one script serves the other: characters are converted.
    """
    first, second = _offered(source, options.sources), _offered(target, options.targets)
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
    """Marian, M2M100, NLLB and T5 checkpoints in transformers' layout, converted to CTranslate2 on first use."""

    version: ClassVar[str] = "4"
    earlier_versions: ClassVar[tuple[str, ...]] = ("2", "3")

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
            positions=longest_sequence(read_config(spec.name, weights)),
            beam_size=options.beam_size,
            sentences_at_once=options.sentences_at_once,
        )
        return cls(model, options)

    @staticmethod
    def is_still_valid(answer: Result) -> bool:
        """Whether an answer of before is one of today: not if it has marks, or seemed to lack a number."""
        if not isinstance(answer, Translation):
            return False
        return not any(answer.marks) and not any(doubt.reason.startswith(ABOUT_CONTENT) for doubt in answer.doubts)

    def __call__(
        self, requests: Sequence[Translate], store: ArtifactStore, progress: Progress
    ) -> Sequence[Translation | ItemError]:
        """Return one translation per request. The sentences of all requests are batched together by length."""
        askers = [self._asker(request) for request in requests]
        askings = [
            translate_line(asker, line, request, self._longest)
            for request, asker in zip(requests, askers, strict=True)
            if isinstance(asker, Asker)
            for line in _marked_lines(request)
        ]
        rest = iter(self._run(together(askings), progress))
        return [
            asker if isinstance(asker, ItemError) else _translation(request, [next(rest) for _ in request.lines])
            for request, asker in zip(requests, askers, strict=True)
        ]

    def _run(self, asking: Asking[list[TranslatedLine]], progress: Progress) -> list[TranslatedLine]:
        """Answer what a procedure asks, round by round; what was asked before is not asked again."""
        outputs: dict[ModelInput, Output] = {}
        done = 0.0
        try:
            wanted = next(asking)
            while True:
                new = [each for each in dict.fromkeys(wanted) if each not in outputs]
                share = (1 - done) * _SHARE_OF_A_ROUND
                outputs |= self.model.translate(new, progress_of_part(progress, done, share, 1.0))
                done += share
                wanted = asking.send(outputs)
        except StopIteration as stop:
            progress(1.0)
            return stop.value

    def _asker(self, request: Translate) -> Asker | UnsupportedLanguagePair:
        """Return what asks the model for a request, or the error of a pair that the model does not support."""
        pair = matching_pair(self._options, request.source, request.target)
        if pair is None:
            return UnsupportedLanguagePair(
                f"The model {request.model} does not translate from {request.source} to {request.target}, "
                f"but from {', '.join(self._options.sources)} to {', '.join(self._options.targets)}."
            )
        options = self._options
        return Asker(
            vocabulary=self.model.vocabulary,
            pair=pair,
            stand_ins=options.stand_ins_for(*pair),
            copies=options.copies,
            doubtful_below=options.doubtful_below.get("-".join(pair)),
            phrases=options.phrases,
            alternatives=request.alternatives,
        )


def _offered(tag: str, offered: Sequence[str]) -> str | None:
    return best_match(tag, offered) or (best_match("zh", offered) if chinese_script(tag) else None)


def _marked_lines(request: Translate) -> list[MarkedLine]:
    marks = request.marks or ((),) * len(request.lines)
    return [MarkedLine(text=line, marks=each) for line, each in zip(request.lines, marks, strict=True)]


def _translation(request: Translate, lines: Sequence[TranslatedLine]) -> Translation:
    return Translation(
        lines=tuple(line.text for line in lines),
        source=request.source,
        target=request.target,
        marks=tuple(line.marks for line in lines) if request.marks else (),
        doubts=tuple(Doubt(line=number, reason=each) for number, line in enumerate(lines) for each in line.doubts),
        alternatives=tuple(line.alternatives for line in lines) if request.alternatives else (),
    )
