"""Transcription: what was said in a recording, in which language, and when, word by word."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError
from media.sound import SAMPLE_RATE, Piece, read_pieces
from modalities.contract import ModelSpec, Once, Progress, Request, Result, ResultT, Weights
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.models.devices import choose_device
from modalities.speech.joined_weights import model_folder
from modalities.speech.seeded_decoder import SeededDecoder
from modalities.speech.segments import SEGMENTS, Segment, segments_of
from storage.artifacts import Artifact, ArtifactStore

UNDETERMINED = "und"
"""BCP 47 for a recording in which nobody speaks."""
_SHORTEST_SECONDS = 0.02
# Whisper's names for languages where they are not those of BCP 47.
_TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh", "iw": "he"}
_FROM_WHISPER = {"jw": "jv"}
_WRITTEN_WITHOUT_SPACES = frozenset({"ja", "zh", "yue", "th", "lo", "km", "my", "bo"})


class Transcript(Result):
    """`language` is the one spoken, in BCP 47 (und: nobody speaks); `text` is in it, or in English when translated."""

    language: str
    language_probability: float
    duration_seconds: float
    text: str
    document: Artifact = Field(description="application/json: the segments with their words; see read_segments.")


class Transcribe(Request[Transcript]):
    """Write down what is said in a recording: any audio or video file."""

    audio: Artifact
    language: str | None = Field(default=None, description="BCP 47; detected if not given.")
    task: Literal["transcribe", "translate"] = Field(
        default="transcribe", description="translate: into English, in one step."
    )


class PieceTranscript(Result):
    """What is said in one piece; `language` is None where nobody was heard."""

    language: str | None
    language_probability: float
    segments: Artifact = Field(description="application/json: the segments, with times within the recording.")


class TranscribePiece(Request[PieceTranscript]):
    """Write down one piece of a long recording. Its answer is kept, so that a crash costs one piece."""

    audio: Artifact
    start_seconds: float
    end_seconds: float
    language: str | None
    task: Literal["transcribe", "translate"]


class TranscriptDocument(BaseModel):
    """What the artifact `Transcript.document` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    task: Literal["transcribe", "translate"]
    duration_seconds: float
    segments: tuple[Segment, ...]


class WhisperOptions(BaseModel):
    """The `options` of a Whisper model in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_sha256: str | None = Field(default=None, description="sha256 of model.bin, checked at each load.")
    beam_size: int = Field(default=5, ge=1)
    temperatures: tuple[float, ...] = Field(
        default=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), description="Tried in order until a window reads well."
    )
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves it to OMP_NUM_THREADS.")


class Whisper:
    """Whisper models in CTranslate2 form, through faster-whisper."""

    version: ClassVar[str] = "2"

    def __init__(self, model: Any, decoder: SeededDecoder, options: WhisperOptions) -> None:
        self.batch_size = 1  # an answer is kept as soon as its recording is done
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

    def __call__(
        self, requests: Sequence[Transcribe | TranscribePiece], store: ArtifactStore, progress: Progress
    ) -> Sequence[Transcript | PieceTranscript | ItemError]:
        """One transcript per recording; silence, noise and recordings of a few milliseconds have an empty text."""
        shares = [_share(progress, number, len(requests)) for number in range(len(requests))]
        return [self.answer(request, store, share, _again) for request, share in zip(requests, shares, strict=True)]

    def answer(
        self, request: Transcribe | TranscribePiece, store: ArtifactStore, progress: Progress, once: Once
    ) -> Transcript | PieceTranscript | ItemError:
        """The transcript of one recording; the pieces of a long one go through `once`."""
        answer: Transcript | PieceTranscript | ItemError
        try:
            if isinstance(request, TranscribePiece):
                answer = self._piece(request, store, progress)
            else:
                answer = self._transcribe(request, store, progress, once)
        except ItemError as error:
            answer = error
        progress(1.0)
        return answer

    def _transcribe(self, request: Transcribe, store: ArtifactStore, progress: Progress, once: Once) -> Transcript:
        language = self._whisper_language(request.language)
        probability = 1.0 if language else 0.0
        segments: list[Segment] = []
        duration, done = 0.0, 0.0
        with store.local(request.audio) as path:
            for piece in read_pieces(path):
                asked = TranscribePiece(
                    model=request.model,
                    audio=request.audio,
                    start_seconds=round(piece.start_seconds, 3),
                    end_seconds=round(piece.end_seconds, 3),
                    language=language,
                    task=request.task,
                )
                told = _part(progress, done, piece.done)
                # A recording of one piece is kept as a whole, a moment later.
                keep = _again if duration == 0.0 and piece.done >= 1.0 else once
                heard = keep(asked, partial(self._hear, asked, piece, store, told))
                said = SEGMENTS.validate_json(store.get(heard.segments))
                segments += said
                if language is None and heard.language and segments:
                    language, probability = heard.language, heard.language_probability
                duration, done = piece.end_seconds, piece.done
                progress(done)
        spoken = _FROM_WHISPER.get(language, language) if language else UNDETERMINED
        document = TranscriptDocument(
            language=spoken, task=request.task, duration_seconds=round(duration, 3), segments=tuple(segments)
        )
        return Transcript(
            language=spoken,
            language_probability=round(probability, 4),
            duration_seconds=document.duration_seconds,
            text=_separator(spoken, request.task).join(segment.text for segment in segments),
            document=store.put(document.model_dump_json().encode(), "application/json"),
        )

    def _piece(self, asked: TranscribePiece, store: ArtifactStore, progress: Progress) -> PieceTranscript:
        with store.local(asked.audio) as path:
            for piece in read_pieces(path):
                if round(piece.start_seconds, 3) == asked.start_seconds:
                    return self._hear(asked, piece, store, progress)
        raise InvalidRequest(f"The recording has no piece that begins at {asked.start_seconds} s.")

    def _hear(self, asked: TranscribePiece, piece: Piece, store: ArtifactStore, progress: Progress) -> PieceTranscript:
        language, probability = None, 0.0
        segments: list[Segment] = []
        if len(piece.samples) >= _SHORTEST_SECONDS * SAMPLE_RATE:
            self._decoder.restart()
            found, info = self._model.transcribe(
                piece.samples,
                language=asked.language,
                task=asked.task,
                beam_size=self._options.beam_size,
                temperature=list(self._options.temperatures),
                vad_filter=True,
                word_timestamps=True,
            )
            language, probability = info.language, float(info.language_probability)
            for segment in segments_of(found, piece):
                segments.append(segment)
                progress((segment.end_seconds - piece.start_seconds) / (piece.end_seconds - piece.start_seconds))
        return PieceTranscript(
            language=language,
            language_probability=round(probability, 4),
            segments=store.put(SEGMENTS.dump_json(segments), "application/json"),
        )

    def _whisper_language(self, language: str | None) -> str | None:
        """Whisper's code for a BCP 47 tag. Raises InvalidRequest."""
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


def read_segments(store: ArtifactStore, transcript: Transcript) -> tuple[Segment, ...]:
    """The segments of a transcript, in order of time."""
    return TranscriptDocument.model_validate_json(store.get(transcript.document)).segments


def _separator(language: str, task: str) -> str:
    return "" if task == "transcribe" and language in _WRITTEN_WITHOUT_SPACES else " "


def _again(_part: Request[ResultT], work: Callable[[], ResultT], /) -> ResultT:
    """For pieces that nobody keeps."""
    return work()


def _share(progress: Progress, number: int, total: int) -> Progress:
    return lambda fraction: progress((number + fraction) / total)


def _part(progress: Progress, done: float, end: float) -> Progress:
    """Progress within a piece as progress of the whole recording."""
    return lambda fraction: progress(done + (end - done) * min(fraction, 1.0))
