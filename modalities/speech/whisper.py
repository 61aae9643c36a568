"""The operator for Whisper models."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from media.audio.sound import SAMPLE_RATE
from media.errors import ItemError
from media.recordings.pieces import count_windows, read_window
from modalities.contract import (
    Memoize,
    ModelSpec,
    Progress,
    Request,
    Result,
    ResultT,
    Weights,
    progress_of_part,
)
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.models.devices import choose_device
from modalities.speech.joined_weights import model_folder
from modalities.speech.pieces import assemble, piece_request, with_language
from modalities.speech.requests import PieceTranscript, Transcribe, TranscribePiece, Transcript
from modalities.speech.seeded_decoder import SeededDecoder
from modalities.speech.segments import SEGMENTS, Segment, segments_of
from storage.artifacts import ArtifactStore

_SHORTEST_SECONDS = 0.02
# Whisper's language codes where they differ from BCP 47.
_TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh", "iw": "he"}
_FROM_WHISPER = {"jw": "jv"}


class WhisperOptions(BaseModel):
    """The `options` of a Whisper model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: str | None = Field(default=None, description="sha256 of model.bin, verified at each load.")
    beam_size: int = Field(default=5, ge=1)
    temperatures: tuple[float, ...] = Field(
        default=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        description="Tried in order until the text of a window passes Whisper's quality checks.",
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0: as OMP_NUM_THREADS says.")
    vad: bool = Field(default=True, description="Leave out what is no speech, unless a request says otherwise.")


class Whisper:
    """Whisper models in CTranslate2 format, run by faster-whisper."""

    version: ClassVar[str] = "3"
    earlier_versions: ClassVar[tuple[str, ...]] = ("2",)

    def __init__(self, model: Any, decoder: SeededDecoder, options: WhisperOptions) -> None:
        self.batch_size = 1  # so that each transcript is stored as soon as it is complete
        self._model = model
        self._decoder = decoder
        self._options = options

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load any faster-whisper model. Raises ModelUnavailable."""
        import ctranslate2
        from faster_whisper import WhisperModel

        options = WhisperOptions.model_validate(spec.options)
        folder = model_folder(spec.name, weights, options.model_sha256)
        device = "cuda" if choose_device(spec) == "cuda" else "cpu"
        compute = spec.dtype if spec.dtype != "auto" else "float16" if device == "cuda" else "int8"
        try:
            model = WhisperModel(str(folder), device=device, compute_type=compute, cpu_threads=options.threads)
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable(
                f"The model {spec.name} is not one that faster-whisper can load: {error}."
            ) from error

        def build() -> Any:
            return ctranslate2.models.Whisper(
                str(folder), device=device, compute_type=compute, intra_threads=options.threads, inter_threads=1
            )

        decoder = SeededDecoder(model.model, build)
        model.model = decoder
        return cls(model, decoder, options)

    @staticmethod
    def is_still_valid(answer: Result) -> bool:
        """Whether an answer of version 2 is one of today: not if it found nothing, perhaps in the wrong channel."""
        return not isinstance(answer, Transcript) or bool(answer.text)

    def __call__(
        self, requests: Sequence[Transcribe | TranscribePiece], store: ArtifactStore, progress: Progress
    ) -> Sequence[Transcript | PieceTranscript | ItemError]:
        """Return one transcript per recording; its text is empty for silence, noise and a few milliseconds of sound."""
        return [
            self.answer(request, store, progress_of_part(progress, number, 1, len(requests)), _compute)
            for number, request in enumerate(requests)
        ]

    def answer(
        self, request: Transcribe | TranscribePiece, store: ArtifactStore, progress: Progress, memoize: Memoize
    ) -> Transcript | PieceTranscript | ItemError:
        """Return the transcript of one recording; each piece of a long one is computed through `memoize`."""
        answer: Transcript | PieceTranscript | ItemError
        try:
            if isinstance(request, TranscribePiece):
                answer = self._transcribe_piece(request, store, progress)
            else:
                answer = self._transcribe(request, store, progress, memoize)
        except ItemError as error:
            answer = error
        progress(1.0)
        return answer

    def _transcribe(
        self, request: Transcribe, store: ArtifactStore, progress: Progress, memoize: Memoize
    ) -> Transcript:
        """Transcribe a recording piece by piece; the first piece with speech decides the language. Raises ItemError."""
        pieces: list[PieceTranscript] = []
        done = 0.0
        with store.local(request.audio) as path:
            while not pieces or not pieces[-1].is_last:
                part = piece_request(with_language(request, pieces, store), len(pieces))
                size = 1 / max(count_windows(pieces[0].expected_seconds), part.number + 1) if pieces else 0.5
                piece_progress = progress_of_part(progress, done, min(size, 1 - done), 1)
                pieces.append(memoize(part, partial(self._decode, part, path, store, piece_progress)))
                done = 1.0 if pieces[-1].is_last else min(len(pieces) / count_windows(pieces[0].expected_seconds), 0.99)
                progress(done)
        return assemble(request, pieces, store)

    def _transcribe_piece(self, part: TranscribePiece, store: ArtifactStore, progress: Progress) -> PieceTranscript:
        with store.local(part.audio) as path:
            return self._decode(part, path, store, progress)

    def _decode(self, part: TranscribePiece, path: Path, store: ArtifactStore, progress: Progress) -> PieceTranscript:
        """Run the model on the samples of a piece and store the segments. Raises ItemError."""
        code = self._whisper_language(part.language)
        piece = read_window(path, part.number, part.track, part.channel)
        language, probability = None, 0.0
        segments: list[Segment] = []
        if len(piece.samples) >= _SHORTEST_SECONDS * SAMPLE_RATE:
            self._decoder.restart()
            found, info = self._model.transcribe(
                piece.samples,
                language=code,
                task=part.task,
                beam_size=self._options.beam_size,
                temperature=list(self._options.temperatures),
                vad_filter=self._options.vad if part.vad == "model" else part.vad == "on",
                word_timestamps=True,
                initial_prompt=part.prompt or None,
                hotwords=", ".join(part.vocabulary) or None,
            )
            language, probability = _FROM_WHISPER.get(info.language, info.language), float(info.language_probability)
            for segment in segments_of(found, piece):
                segments.append(segment)
                seconds = segment.end_seconds - piece.start_seconds
                progress(min(seconds / (piece.end_seconds - piece.start_seconds), 1.0))
        return PieceTranscript(
            end_seconds=round(piece.end_seconds, 3),
            is_last=piece.is_last,
            expected_seconds=round(piece.expected_seconds, 3),
            language=language,
            language_probability=round(probability, 4),
            segments=store.put(SEGMENTS.dump_json(segments), "application/json"),
        )

    def _whisper_language(self, language: str | None) -> str | None:
        """Return Whisper's code for a BCP 47 tag. Raises InvalidRequest if the model does not support the language."""
        if language is None:
            return None
        primary = language.replace("_", "-").split("-")[0].lower()
        code = _TO_WHISPER.get(primary, primary)
        if code not in self._model.supported_languages:
            raise InvalidRequest(
                f"The speech model does not know the language {language!r}: "
                "give a BCP 47 tag such as de or pt-BR, or none to have it detected."
            )
        return code


def _compute(_part: Request[ResultT], compute: Callable[[], ResultT], /) -> ResultT:
    """Compute a piece without storing it."""
    return compute()
