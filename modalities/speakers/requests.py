"""The request and result of speaker diarization: who speaks when in a recording."""

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from modalities.contract import Request, Result
from storage.artifacts import Artifact, ArtifactStore


class Turn(BaseModel):
    """A stretch in which one speaker speaks; speakers are numbered from 1 in the order in which they begin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    speaker: int = Field(ge=1)


TURNS = TypeAdapter(list[Turn])


class Speakers(Result):
    """How many speakers there are, and their turns."""

    count: int
    turns: Artifact = Field(description="application/json: the turns in order of time; see read_turns.")


class TellSpeakers(Request[Speakers]):
    """Tell the speakers of a recording apart by their voices."""

    audio: Artifact
    track: str = Field(default="", description="Number from 1, or language of the track to hear; empty: the default.")


def read_turns(store: ArtifactStore, speakers: Speakers) -> list[Turn]:
    """Read the turns, in order of time, without overlaps."""
    return TURNS.validate_json(store.get(speakers.turns))
