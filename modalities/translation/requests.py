"""Requests and results of translation: lines of text in one language and the same number of lines in another."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from modalities.contract import Request, Result

_MAX_LINES, _MAX_CHARACTERS = 32, 4000


class Mark(BaseModel):
    """A range of characters of a line, such as the words of a link. A `kept` one is copied and not translated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    kept: bool = False


class MarkedLine(BaseModel):
    """A line of text and its marks, which nest or are apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    marks: tuple[Mark, ...] = ()


class Doubt(BaseModel):
    """Why the translation of a line may be wrong; lines count from 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    reason: str


class Translation(Result):
    """The translated lines, one per line of the request; an empty line stays empty. Languages are BCP 47.

    `marks` are where the marks of the request are now, line by line. `alternatives` are other translations of each
    line, likelier ones first.
    """

    lines: tuple[str, ...]
    source: str
    target: str
    marks: tuple[tuple[Mark, ...], ...] = ()
    doubts: tuple[Doubt, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()


class Translate(Request[Translation]):
    """Translate lines of text."""

    lines: tuple[str, ...]
    source: str = Field(description="BCP 47: the language of the lines.")
    target: str = Field(description="BCP 47: the language to translate into.")
    marks: tuple[tuple[Mark, ...], ...] = Field(default=(), description="Of each line; empty if no line has any.")
    glossary: tuple[tuple[str, str], ...] = Field(default=(), description="Terms and what they are called.")
    alternatives: int = Field(default=0, ge=0, le=10, description="Further translations of each line, at most.")


def requests_for_lines(
    model: str,
    lines: Sequence[str | MarkedLine],
    source: str,
    target: str,
    glossary: Sequence[tuple[str, str]] = (),
    alternatives: int = 0,
) -> list[Translate]:
    """Split lines into requests of at most 32 lines and 4,000 characters (a longer line is a request of its own)."""
    marked = [MarkedLine(text=line) if isinstance(line, str) else line for line in lines]
    chunks: list[list[MarkedLine]] = []
    for line in marked:
        last = chunks[-1] if chunks else None
        if last and len(last) < _MAX_LINES and sum(len(each.text) for each in last) + len(line.text) <= _MAX_CHARACTERS:
            last.append(line)
        else:
            chunks.append([line])
    return [
        Translate(
            model=model,
            lines=tuple(line.text for line in chunk),
            source=source,
            target=target,
            marks=tuple(line.marks for line in chunk) if any(line.marks for line in chunk) else (),
            glossary=tuple(glossary),
            alternatives=alternatives,
        )
        for chunk in chunks
    ]
