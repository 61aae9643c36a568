"""Near duplicates: the same picture in other sizes, compressions, or slightly cropped."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.library.inputs import InputArtifact
from flows.library.labelling import update_labels
from flows.library.markdown import escaped
from flows.library.reading.contents import shown_picture
from flows.running.content_forms import DuplicateSearch
from flows.running.context import RunContext
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from media.errors import ItemError
from media.images.likeness import ALIKE, SIDE, Miniature, likeness
from media.pictures import gray_miniature
from storage.errors import ArtifactNotFound, InvalidName, RecordCorrupt, StorageError
from storage.records import ArtifactRecord

DUPLICATE = "duplicate"
"""The label of every picture of a group but the best one."""
_PAGE = 100
_NEIGHBOURS = 10
_LEAST_COSINE = 0.8
_SHOWN = 100


class Member(BaseModel):
    """A picture of a group."""

    artifact: str
    name: str
    width: int
    height: int
    size: int = Field(description="In bytes.")


class DuplicatesReport(BaseModel):
    """The groups of near duplicates, each with the picture of the most pixels first; and what could not be compared."""

    pictures: int
    groups: list[list[Member]]
    failures: dict[str, str] = {}

    def __str__(self) -> str:
        more = sum(len(group) - 1 for group in self.groups)
        return f"{more} near duplicates of {len(self.groups)} pictures among {self.pictures}."


@flow(name="find-duplicates")
async def find_duplicates(search: DuplicateSearch) -> State[Any]:
    """Find the same picture in other sizes, compressions, or slightly cropped."""
    return await run_as_flow(search.project, lambda context: group_duplicates(context, search))


async def group_duplicates(context: RunContext, search: DuplicateSearch) -> DuplicatesReport:
    """Compare each picture with those that are nearest to it by vector, and label the duplicates if asked."""
    space = context.space
    total = space.index.counts(space.project).get("image", 0)
    done, last, found = 0, 0, _Comparison(space)
    while last is not None:
        pairs, last = await asyncio.to_thread(_near_pairs, space, last)
        await asyncio.to_thread(found.compare, pairs)
        done += _PAGE
        context.progress(min(done / max(total, 1), 1.0))
    groups = [_members(found.records, group) for group in _connected(found.pairs)]
    report = DuplicatesReport(pictures=total, groups=sorted(groups, key=len, reverse=True), failures=found.failures)
    if search.label:
        report.failures |= await asyncio.to_thread(_label, space, report.groups)
    await context.show("duplicates", _page(report))
    return report


class _Comparison:
    """The pairs that are alike, with the miniatures of the pictures that were compared."""

    def __init__(self, space: Space) -> None:
        self.records: dict[str, ArtifactRecord] = {}
        self.pairs: set[tuple[str, str]] = set()
        self.failures: dict[str, str] = {}
        self._space = space
        self._compared: set[tuple[str, str]] = set()
        self._miniatures: dict[str, Miniature] = {}

    def compare(self, candidates: Sequence[tuple[str, str]]) -> None:
        """Compare each candidate once and add the pairs that are alike. A picture that cannot be read is a failure."""
        fresh = set(candidates) - self._compared
        self._compared |= fresh
        for one, other in sorted(fresh):
            first, second = self._miniature(one), self._miniature(other)
            if first is not None and second is not None and likeness(first, second) >= ALIKE:
                self.pairs.add((one, other))

    def _miniature(self, sha256: str) -> Miniature | None:
        if sha256 not in self._miniatures and sha256 not in self.failures:
            try:
                record = self._space.records.get(sha256)
                picture = shown_picture(self._space, InputArtifact(record.artifact, record))
                self._miniatures[sha256] = gray_miniature(self._space.store.get(picture), SIDE)
                self.records[sha256] = record
            except (ItemError, StorageError) as error:
                self.failures[sha256] = str(error)
        return self._miniatures.get(sha256)


def _near_pairs(space: Space, after: int) -> tuple[list[tuple[str, str]], int | None]:
    """The next pairs of pictures with near vectors, each once, and after which part the next ones begin."""
    page = space.index.neighbours(space.project, "image", _LEAST_COSINE, _NEIGHBOURS, after, _PAGE)
    return sorted({(min(pair), max(pair)) for pair in page.pairs}), page.last


def _connected(pairs: set[tuple[str, str]]) -> list[set[str]]:
    """The connected components of the graph of pairs."""
    groups: dict[str, set[str]] = {}
    for one, other in pairs:
        joined = groups.get(one, {one}) | groups.get(other, {other})
        for member in joined:
            groups[member] = joined
    return list({id(group): group for group in groups.values()}.values())


def _members(records: Mapping[str, ArtifactRecord], group: set[str]) -> list[Member]:
    members = [
        Member(
            artifact=sha256,
            name=record.name,
            width=int(record.properties.get("width", 0)),
            height=int(record.properties.get("height", 0)),
            size=record.artifact.size,
        )
        for sha256, record in ((sha256, records[sha256]) for sha256 in group)
    ]
    return sorted(members, key=lambda member: (-member.width * member.height, -member.size, member.artifact))


def _label(space: Space, groups: Sequence[Sequence[Member]]) -> dict[str, str]:
    """Label all but the best of each group; return why others cannot be labelled, by artifact id."""
    failures: dict[str, str] = {}
    for group in groups:
        for member in group:
            try:
                _label_one(space, member.artifact, is_best=member is group[0])
            except (ArtifactNotFound, RecordCorrupt, InvalidName) as error:
                failures[member.artifact] = str(error)
    return failures


def _label_one(space: Space, sha256: str, *, is_best: bool) -> None:
    if not is_best:
        update_labels(space, sha256, add=[DUPLICATE])
    elif DUPLICATE in space.labels.of(space.records.get(sha256)):
        update_labels(space, sha256, remove=[DUPLICATE])


def _page(report: DuplicatesReport) -> str:
    lines = [escaped(str(report)), "", "| keep | near duplicates |", "|---|---|"]
    for best, *others in report.groups[:_SHOWN]:
        lines.append(f"| {_row(best)} | {', '.join(_row(each) for each in others)} |")
    return "\n".join(lines)


def _row(member: Member) -> str:
    return f"{escaped(member.name)} ({member.width} × {member.height})"
