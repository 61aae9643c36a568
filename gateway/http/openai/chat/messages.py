"""The messages of a chat as OpenAI's clients send them, and the answer as they read it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import WrongInput

_CHARACTERS_PER_TOKEN = 4
_MAX_MESSAGES, _MAX_CHARACTERS, _MAX_QUESTION = 500, 200_000, 2000
Finish = Literal["stop", "length"]


class Part(BaseModel):
    """A part of a message; only texts are read."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: Annotated[str, Field(max_length=_MAX_CHARACTERS)] = ""


class Message(BaseModel):
    """A message; its content is a text, parts, or nothing."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=_MAX_CHARACTERS)] | list[Part] | None = None

    @property
    def text(self) -> str:
        """The text of the message."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(BaseModel):
    """What is streamed beside the text."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A conversation to go on with. Fields of OpenAI's API that are not here are ignored."""

    model_config = ConfigDict(extra="ignore")

    messages: list[Message] = Field(min_length=1, max_length=_MAX_MESSAGES)
    model: str | None = Field(default=None, max_length=200)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=None, ge=1, le=1, description="One answer is given.")
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None

    def questions(self) -> list[str]:
        """Return what the user asked, the last one last. Raises WrongInput if that is nothing."""
        if self.messages[-1].role != "user":
            raise WrongInput("messages: the last one is not of the role user, so that there is nothing to answer.")
        asked = [message.text.strip()[:_MAX_QUESTION] for message in self.messages if message.role == "user"]
        if not asked[-1]:
            raise WrongInput("messages: the last one has no text: put the question into its content.")
        return [each for each in asked if each]

    def prompt_tokens(self) -> int:
        """Return an estimate of the tokens of the messages."""
        return sum(tokens_of(message.text) for message in self.messages)


class UrlCitation(BaseModel):
    """Where a mark such as [1] in the text leads."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(BaseModel):
    """A citation in the text of a message."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class MessageOut(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[Annotation] = []


class ChoiceOut(BaseModel):
    """One answer."""

    index: int = 0
    message: MessageOut
    logprobs: None = None
    finish_reason: Finish = "stop"


class UsageOut(BaseModel):
    """An estimate of the tokens: four characters each."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatOut(BaseModel):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChoiceOut]
    usage: UsageOut
    system_fingerprint: None = None


def usage_of(asked: ChatRequest, content: str) -> UsageOut:
    """Return the estimated usage of a request and its answer."""
    prompt, completion = asked.prompt_tokens(), tokens_of(content)
    return UsageOut(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def tokens_of(text: str) -> int:
    """Return an estimate of the tokens of a text."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def chunk(completion: str, created: int, model: str, delta: dict[str, Any], finish: Finish | None) -> dict[str, Any]:
    """Return an event of a streamed completion."""
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": completion,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "system_fingerprint": None,
        "choices": choices,
    }
