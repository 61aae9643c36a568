"""Suggest artifacts of a project: for a person, by what they chose; or beside an artifact, by what it is like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict

from flows.running.platform import Space
from flows.suggesting.interactions import Interactions
from modalities.suggesting.factors import Factors, factorise
from modalities.suggesting.ranking import Ranked, Vectors, rank
from storage.index.parts import PART_KINDS, PartKind
from storage.index.search_query import Filters, VectorQuery

CHOICES = 10
"""Of each kind: the choices that candidates are searched for, those with the most weight among the last ones."""
_LAST = 40
CANDIDATES = 40
"""How many are searched for each choice, and how many are taken of what others predict."""
_NEVER = ("subtitles", "duplicate", "rejected")
"""Labels of what is never suggested."""
_ANY_COSINE = ((12.0, -9.0),)


class Suggestion(BaseModel):
    """An artifact that may be liked. `score` from 0 to 1 compares those of its kind.

    `because` is the choice that it is most like. `by` says whether the choices of others count beside what it is like.
    """

    model_config = ConfigDict(frozen=True)

    artifact: str
    name: str
    kind: PartKind
    media_type: str
    score: float
    because: str
    by: tuple[str, ...]


class Suggestions(BaseModel):
    """Suggestions, the best first. Where `kept` is false, the project keeps nothing about persons."""

    kept: bool
    suggestions: list[Suggestion]


@dataclass
class Suggester:
    """Suggests, and keeps the factors of each project in memory until what people did there changes."""

    _factors: dict[str, tuple[tuple[tuple[str, str], ...], Factors | None]] = field(default_factory=dict)

    def for_person(self, space: Space, person: str, limit: int) -> Suggestions:
        """Suggest what a person has not opened, of the kinds that they chose, in the same proportion."""
        interactions = Interactions(space.platform.bucket, space.project)
        if not interactions.are_kept():
            return Suggestions(kept=False, suggestions=[])
        weights = interactions.of(person).weights
        factors = self._current(space, interactions)
        found = _suggest(space, weights, factors.liked(person) if factors else {}, limit)
        return Suggestions(kept=True, suggestions=found)

    def beside(self, space: Space, artifact: str, limit: int) -> Suggestions:
        """Suggest what goes with an artifact: what is like it, and what those who chose it chose, too."""
        interactions = Interactions(space.platform.bucket, space.project)
        kept = interactions.are_kept()
        factors = self._current(space, interactions) if kept else None
        found = _suggest(space, {artifact: 1.0}, factors.together(artifact) if factors else {}, limit)
        return Suggestions(kept=kept, suggestions=found)

    def _current(self, space: Space, interactions: Interactions) -> Factors | None:
        versions = interactions.versions()
        known = self._factors.get(space.project)
        if known is None or known[0] != versions:
            known = (versions, factorise({each.person: each.weights for each in interactions.all()}))
            self._factors[space.project] = known
        return known[1]


def _suggest(space: Space, weights: Mapping[str, float], others: Mapping[str, float], limit: int) -> list[Suggestion]:
    last = list(weights)[:_LAST]
    choices = space.index.artifact_vectors(space.project, last)
    total = sum(weights[artifact] for of_kind in choices.values() for artifact in of_kind)
    ranked: dict[PartKind, list[Ranked]] = {}
    nearest: dict[PartKind, list[str]] = {}
    shares: dict[PartKind, float] = {}
    for kind, of_kind in choices.items():
        chosen = sorted(of_kind, key=lambda artifact: -weights[artifact])[:CHOICES]
        vectors = {artifact: _unit(of_kind[artifact]) for artifact in chosen}
        candidates = _candidates(space, kind, vectors, others, weights)
        matrix = np.stack([vectors[artifact] for artifact in chosen])
        ranked[kind] = rank(candidates, matrix, [weights[a] for a in chosen], others, limit)
        nearest[kind] = chosen
        shares[kind] = sum(weights[artifact] for artifact in of_kind) / total
    order = _in_proportion(ranked, shares, limit)
    rows = {row.artifact: row for row in space.library.named(space.project, [each.item for _, each in order])}
    return [
        Suggestion(
            artifact=each.item,
            name=rows[each.item].name,
            kind=kind,
            media_type=rows[each.item].media_type,
            score=each.score,
            because=nearest[kind][each.nearest],
            by=("likeness", "others") if each.item in others else ("likeness",),
        )
        for kind, each in order
        if each.item in rows
    ]


def _candidates(
    space: Space, kind: PartKind, chosen: Mapping[str, Vectors], others: Mapping[str, float], known: Mapping[str, float]
) -> dict[str, Vectors]:
    """The vectors of what is near a choice or liked by others, without what is known already."""
    name = space.index.serving(space.project)[kind]
    wanted = sorted(others, key=lambda artifact: -others[artifact])[: CANDIDATES + len(known)]
    for vector in chosen.values():
        query = VectorQuery(space=name, vector=vector.tolist(), lines=_ANY_COSINE)
        found = space.index.search(
            space.project, vectors={kind: query}, filters=Filters(kinds=(kind,)), limit=CANDIDATES
        )
        wanted += [hit.artifact for hit in found.hits]
    new = [artifact for artifact in dict.fromkeys(wanted) if artifact not in known]
    vectors = space.index.artifact_vectors(space.project, new, _NEVER).get(kind, {})
    return {artifact: _unit(vectors[artifact]) for artifact in new if artifact in vectors}


def _in_proportion(
    ranked: Mapping[PartKind, Sequence[Ranked]], shares: Mapping[PartKind, float], limit: int
) -> list[tuple[PartKind, Ranked]]:
    """The best of each kind, in turns, so that each kind has its share at every length."""
    order: list[tuple[PartKind, Ranked]] = []
    taken: dict[PartKind, int] = dict.fromkeys(PART_KINDS, 0)
    while len(order) < limit:
        left: list[PartKind] = [kind for kind in PART_KINDS if taken[kind] < len(ranked.get(kind, ()))]
        if not left:
            break
        kind: PartKind = max(left, key=lambda each: shares[each] * (len(order) + 1) - taken[each])
        order.append((kind, ranked[kind][taken[kind]]))
        taken[kind] += 1
    return order


def _unit(vector: Sequence[float]) -> Vectors:
    row = np.asarray(vector, np.float32)
    return row / max(float(np.linalg.norm(row)), 1e-9)
