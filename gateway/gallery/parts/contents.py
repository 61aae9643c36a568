"""What a page shows of the contents of an artifact: passages of a document, frames of a film, words in a picture."""

from dataclasses import dataclass
from typing import Any

from flows.library.inputs import InputArtifact
from flows.library.reading.contents import find_contents, has_contents
from flows.running.platform import Space
from media.reading.contents import Passages

_MAX_CHARACTERS = 100_000


@dataclass(frozen=True)
class Section:
    """The passages at one place of a document; `place` is empty if the document has no places."""

    place: str
    passages: list[str]


def contents_values(space: Space, found: InputArtifact, place: str) -> dict[str, Any]:
    """Return the sections of a document from about `place` on, the times of a film's frames, and what was left out."""
    contents = find_contents(space, found.artifact) if has_contents(found.artifact, found.record) else None
    if contents is None:
        return {}
    times = [float(frame.place.removeprefix("t=")) for frame in contents.frames if frame.place.startswith("t=")]
    values: dict[str, Any] = {"frames": times, "poster": contents.shown is not None, "left_out": contents.cut}
    if found.kind == "text":
        sections, cut = _sections(contents.passages, place)
        values |= {"sections": sections, "cut": cut}
    return values


def _sections(passages: tuple[Passages, ...], place: str) -> tuple[list[Section], bool]:
    """Return about 100,000 characters, and whether there are more; from before `place` if all would be too much."""
    total = sum(len(each.text) for each in passages)
    numbers = [number for number, each in enumerate(passages) if each.place == place]
    first = max(numbers[0] - 1, 0) if numbers and place and total > _MAX_CHARACTERS else 0
    sections, size = list[Section](), 0
    for each in passages[first:]:
        if size >= _MAX_CHARACTERS:
            break
        text = each.text[: _MAX_CHARACTERS - size]
        size += len(text)
        sections.append(Section(each.place, [part.strip("\n") for part in text.split("\n\n") if part.strip()]))
    return sections, size < total
