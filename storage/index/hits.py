"""Make hits of the rows of a search: one for each artifact, with its best places."""

from collections.abc import Mapping, Sequence
from typing import Any

from storage.index.parts import Hit, PartKind, Place
from storage.index.search_query import VectorQuery

_DIGITS = 4
"""Of a score: more would tell one run of the same search from another."""


def hits_of_rows(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Hit], int, bool]:
    """The hits of a page, how many there are in all, and whether deeper ranks may have more of them."""
    grouped: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    hits = [_hit(artifact, of_artifact) for artifact, of_artifact in grouped.items()]
    return hits, rows[0][2] if rows else 0, bool(rows and rows[0][11])


def known_spaces(
    rows: Sequence[tuple[Any, ...]], vectors: Mapping[PartKind, VectorQuery]
) -> dict[PartKind, tuple[int, VectorQuery]]:
    """The vector queries in spaces that there are, with the ids of these; `rows` are the names and ids of all."""
    numbers: dict[str, int] = dict(row[:2] for row in rows)
    return {kind: (numbers[query.space], query) for kind, query in vectors.items() if query.space in numbers}


def _hit(artifact: str, rows: Sequence[tuple[Any, ...]]) -> Hit:
    _, score, _, name, kind, *_ = rows[0]
    places = tuple(_place(row) for row in rows)
    best = places[0].model_dump(include={"text", "start_seconds", "end_seconds", "place"})
    return Hit(artifact=artifact, name=name, kind=kind, score=round(score, _DIGITS), places=places, **best)


def _place(row: tuple[Any, ...]) -> Place:
    kind, score, text, start, end, place = row[5:11]
    return Place(kind=kind, score=round(score, _DIGITS), text=text, start_seconds=start, end_seconds=end, place=place)
