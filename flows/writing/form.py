"""The form of a text to write."""

from pydantic import Field

from flows.running.form import Form, project_field
from modalities.writing.requests import MOST_TOKENS


class Writing(Form):
    """What to go on from, and how to choose the words."""

    text: str = Field(title="Text", description="What to go on from, or to answer.", min_length=1, max_length=200_000)
    instructions: str = Field(
        default="", title="Instructions", description="What the model is told before, if it was taught to listen."
    )
    model: str = Field(default="", title="Model", description="Empty for the profile's.", max_length=200)
    max_tokens: int = Field(default=200, title="Tokens at most", description="How long.", ge=1, le=MOST_TOKENS)
    temperature: float = Field(
        default=0.7, title="Temperature", description="0 takes the most probable word each time.", ge=0, le=2
    )
    top_p: float = Field(
        default=0.95, title="Top p", description="Choose among the most probable of this share.", gt=0, le=1
    )
    seed: int = Field(default=0, title="Seed", description="The same seed writes the same.", ge=0, lt=2**32)
    project: str = project_field()
