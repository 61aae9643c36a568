"""Transcription: what was said in a recording, in which language, and when, word by word."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from modalities.devices import choose_device
from modalities.errors import InvalidRequest, ModalityError, ModelUnavailable
from modalities.joined_weights import model_folder
from modalities.operator import ModelSpec, Progress, Request, Result, Weights
from modalities.seeded_decoder import SeededDecoder
from modalities.sound import SAMPLE_RATE, Piece, read_pieces
from storage.artifacts import Artifact, ArtifactStore

UNDETERMINED = "und"
"""BCP 47 for a recording in which nobody speaks."""
_SHORTEST_SECONDS = 0.02
# Whisper's names for languages where they are not those of BCP 47.
_TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh", "iw": "he"}
_FROM_WHISPER = {"jw": "jv"}
_WRITTEN_WITHOUT_SPACES = frozenset({"ja", "zh", "yue", "th", "lo", "km", "my", "bo"})


class Word(BaseModel):
    """A word with its punctuation, its times in seconds from the start, and how sure the model is (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    probability: float = Field(ge=0, le=1)


class Segment(BaseModel):
    """A stretch of speech, about a sentence; its words joined are its text, apart from outer spaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    words: tuple[Word, ...] = ()


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

    version: ClassVar[str] = "1"

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
        self, requests: Sequence[Transcribe], store: ArtifactStore, progress: Progress
    ) -> Sequence[Transcript | ModalityError]:
        """One transcript per recording; silence, noise and recordings of a few milliseconds have an empty text."""
        answers: list[Transcript | ModalityError] = []
        for number, request in enumerate(requests):
            share = _share(progress, number, len(requests))
            try:
                answers.append(self._transcribe(request, store, share))
            except ModalityError as error:
                answers.append(error)
            share(1.0)
        return answers

    def _transcribe(self, request: Transcribe, store: ArtifactStore, progress: Progress) -> Transcript:
        language = self._whisper_language(request.language)
        probability = 1.0 if language else 0.0
        segments: list[Segment] = []
        duration, done = 0.0, 0.0
        self._decoder.restart()
        with store.local(request.audio) as path:
            for piece in read_pieces(path):
                heard, info = self._listen(piece, language, request.task)
                for segment in heard:
                    segments.append(segment)
                    within = (segment.end_seconds - piece.start_seconds) / (piece.end_seconds - piece.start_seconds)
                    progress(done + (piece.done - done) * min(within, 1.0))
                if language is None and info and segments:
                    language, probability = info
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

    def _listen(
        self, piece: Piece, language: str | None, task: str
    ) -> tuple[Iterable[Segment], tuple[str, float] | None]:
        """The segments of one piece, as they come, and the language heard with its probability."""
        if len(piece.samples) < _SHORTEST_SECONDS * SAMPLE_RATE:
            return (), None
        found, info = self._model.transcribe(
            piece.samples,
            language=language,
            task=task,
            beam_size=self._options.beam_size,
            temperature=list(self._options.temperatures),
            vad_filter=True,
            word_timestamps=True,
        )
        return _segments(found, piece), (info.language, float(info.language_probability))

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


def _segments(found: Iterable[Any], piece: Piece) -> Iterator[Segment]:
    for segment in found:
        text = segment.text.strip()
        if text:
            yield Segment(
                start_seconds=_at(segment.start, piece),
                end_seconds=_at(segment.end, piece),
                text=text,
                words=tuple(
                    Word(
                        start_seconds=_at(word.start, piece),
                        end_seconds=_at(word.end, piece),
                        text=word.word,
                        probability=round(min(max(float(word.probability), 0.0), 1.0), 4),
                    )
                    for word in segment.words or ()
                ),
            )


def _at(seconds: float, piece: Piece) -> float:
    """A time within a piece as a time within the recording, to the millisecond."""
    return round(min(piece.start_seconds + max(float(seconds), 0.0), piece.end_seconds), 3)


def _share(progress: Progress, number: int, total: int) -> Progress:
    return lambda fraction: progress((number + fraction) / total)
