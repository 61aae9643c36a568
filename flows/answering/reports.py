"""What an answer consists of: sentences, the places that they are from, and what was looked through."""

from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field

from storage.index.parts import PartKind


class Intent(BaseModel):
    """What is wanted, with its probability; `why` a person has to answer, empty if nobody has to."""

    model_config = ConfigDict(frozen=True)

    label: str
    probability: float
    why: str = ""


class Citation(BaseModel):
    """A place that an answer is from. `quote` are the sentences of it that answer, `text` is what is around them.

    `score` is the probability that the quote answers. `address` is the page of the gallery that opens at the place.
    """

    number: int
    artifact: str
    name: str
    kind: PartKind
    score: float
    quote: str
    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    place: str = ""
    address: str = ""


class Sentence(BaseModel):
    """A sentence of an answer and the numbers of its citations; none if the sources do not say it."""

    text: str
    citations: tuple[int, ...] = ()


class AnswerReport(BaseModel):
    """An answer. Where none is known, `text` says so in the language of the question, and `near` is what is nearest.

    `question` is what was looked for: in a conversation with the words of the question before. `written_by` is the
    model that has written the text; empty where its sentences are those of the citations.
    """

    question: str
    language: str
    known: bool
    text: str
    sentences: tuple[Sentence, ...] = ()
    score: float = Field(default=0.0, description="The probability that the best citation answers.")
    citations: tuple[Citation, ...] = ()
    near: tuple[Citation, ...] = ()
    looked_through: dict[str, int] = {}
    notices: tuple[str, ...] = ()
    written_by: str = ""
    intent: Intent | None = Field(default=None, description="What is wanted, if a classifier says so.")
    handed_over: bool = Field(default=False, description="Whether a person has to answer; `near` is what was found.")

    def __str__(self) -> str:
        return self.text


def place_address(artifact: str, start_seconds: float | None, place: str) -> str:
    """Return the address of the gallery's page of an artifact, at a time or a place."""
    at = {"at": f"{start_seconds:g}"} if start_seconds is not None else {}
    query = at | ({"place": place} if place else {})
    fragment = f"#{quote(place, safe='=,:')}" if place else ""
    return f"/artifacts/{artifact}" + (f"?{urlencode(query)}" if query else "") + fragment
