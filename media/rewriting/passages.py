"""The passages of a document: texts to translate, with marks where formatting begins and ends."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, TypeAdapter

MAX_PASSAGES = 50_000
"""Passages of a document; a longer one is refused."""


class PassageMark(BaseModel):
    """A range of characters with formatting of its own; `kept` if it must not be translated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    end: int
    kept: bool = False


class Passage(BaseModel):
    """A text to translate: a paragraph, a cell, a label. Marks nest or are apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    marks: tuple[PassageMark, ...] = ()


PASSAGES = TypeAdapter(list[Passage])
TranslatePassages = Callable[[Sequence[Passage]], Sequence[Passage]]
"""Return each passage in another language, its marks at their new places."""


def plain_passages(translate: TranslatePassages, texts: Sequence[str]) -> list[str]:
    """Translate texts without marks; each line of a text is a passage."""
    lines = [text.split("\n") for text in texts]
    answers = iter(translate([Passage(text=line) for each in lines for line in each]))
    return ["\n".join(next(answers).text for _ in each) for each in lines]
