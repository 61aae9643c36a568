"""The request and result of speaking: a text read aloud by a voice."""

from pydantic import Field

from modalities.contract import Request, Result
from storage.artifacts import Artifact

SLOWEST, FASTEST = 0.5, 2.0
_NO_NUL = r"^[^\x00]*$"


class Spoken(Result):
    """A text read aloud; `duration_seconds` of sound with one channel."""

    audio: Artifact = Field(description="audio/flac")
    duration_seconds: float
    sample_rate: int


class Speak(Request[Spoken]):
    """Read a text aloud: some sentences, since a long text is several requests."""

    text: str = Field(min_length=1, max_length=4000, pattern=_NO_NUL)
    voice: str = Field(description="The name of one of the model's voices.")
    speed: float = Field(default=1.0, ge=SLOWEST, le=FASTEST, description="1 is the voice's own pace.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the breath in the voice.")
