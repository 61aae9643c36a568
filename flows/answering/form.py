"""The form of a question."""

from pydantic import Field

from flows.running.form import Form, project_field


class Ask(Form):
    """A question about what is in the library; `before` are those of the same conversation, the oldest first."""

    question: str = Field(
        title="Question", description="Such as: How do I clean the filter?", max_length=2000, min_length=1
    )
    before: list[str] = Field(
        default=[], title="Questions before", description="Those of the same conversation, oldest first.", max_length=20
    )
    labels: list[str] = Field(
        default=[], title="Labels", description="Only what has all of these labels.", max_length=20
    )
    citations: int = Field(default=3, title="Citations at most", description="How many places to name.", ge=1, le=10)
    written: bool = Field(
        default=True,
        title="In written words",
        description="Let a language model write the answer, if one is set up; otherwise sentences of the sources.",
    )
    project: str = project_field()
