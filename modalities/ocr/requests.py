"""The request and result of reading the text in a picture."""

from pydantic import BaseModel, ConfigDict, Field

from modalities.contract import Request, Result
from storage.artifacts import Artifact


class Line(BaseModel):
    """A line of text; `box` is left, top, width and height in percent of the upright picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    box: tuple[float, float, float, float]
    score: float = Field(ge=0, le=1, description="How sure the model is.")


class WrittenText(Result):
    """The lines in a picture, in reading order; none if there is no text."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class ReadText(Request[WrittenText]):
    """Read the text that is written in a picture."""

    image: Artifact
