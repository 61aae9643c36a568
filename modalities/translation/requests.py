"""Requests and results of translation: lines of text in one language and the same number of lines in another."""

from collections.abc import Sequence

from pydantic import Field

from modalities.contract import Request, Result

_MAX_LINES, _MAX_CHARACTERS = 32, 4000


class Translation(Result):
    """The translated lines, one per line of the request; an empty line stays empty. Languages are BCP 47."""

    lines: tuple[str, ...]
    source: str
    target: str


class Translate(Request[Translation]):
    """Translate lines of text."""

    lines: tuple[str, ...]
    source: str = Field(description="BCP 47: the language of the lines.")
    target: str = Field(description="BCP 47: the language to translate into.")


def requests_for_lines(model: str, lines: Sequence[str], source: str, target: str) -> list[Translate]:
    """Split lines into requests of at most 32 lines and 4,000 characters (a longer line is a request of its own)."""
    chunks: list[list[str]] = []
    for line in lines:
        last = chunks[-1] if chunks else None
        if last and len(last) < _MAX_LINES and sum(map(len, last)) + len(line) <= _MAX_CHARACTERS:
            last.append(line)
        else:
            chunks.append([line])
    return [Translate(model=model, lines=tuple(chunk), source=source, target=target) for chunk in chunks]
