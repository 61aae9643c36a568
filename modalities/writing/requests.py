"""The request and result of writing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from modalities.contract import Request, Result

MOST_TOKENS = 4096


class Turn(BaseModel):
    """What somebody said in a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    text: str = Field(max_length=200_000)


class Written(Result):
    """What the model wrote. `finish` is `stop` where it came to an end by itself, `length` where it was cut."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: Literal["stop", "length"]


class Write(Request[Written]):
    """Go on with a conversation. The same request gives the same text on the same machine."""

    turns: tuple[Turn, ...] = Field(min_length=1, max_length=500)
    max_tokens: int = Field(default=512, ge=1, le=MOST_TOKENS)
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 takes the most probable token each time.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Sample among the most probable tokens of this share.")
    seed: int = Field(default=0, ge=0, lt=2**32)
