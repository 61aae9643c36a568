"""Measure suggestions offline: leave the last choice of simulated people out, and see whether it is among ten.

    .venv/bin/python -m benchmarks.suggestions [PERSONS]

800 items of 40 subjects, which their vectors show, in 8 styles, which they do not show. Everybody likes three subjects
and one style; a few items are popular. People choose 8 to 40 items each, by chance, in proportion to what they like.
Prints one JSON line for each world and way: the share of people whose last choice is among the ten suggested (hit rate
at 10), with 95 % intervals by bootstrap over people. `suggestions` is what the platform does, with the candidates that
it searches for; the other ways rank all items that the person has not chosen; `oracle` knows what everybody likes.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.suggesting.suggest import CANDIDATES, CHOICES
from modalities.suggesting.factors import Factors, factorise
from modalities.suggesting.ranking import rank

ITEMS, SUBJECTS, STYLES, DIMENSION, AMONG = 800, 40, 8, 64, 10
WORLDS = {"subjects": (4.0, 0.0), "styles": (0.0, 4.0), "both": (3.0, 2.5)}
"""How much more is chosen, as a logit, if the subject or the style is liked."""
SEEDS = (11, 12, 13, 14, 15)
"""Of five worlds. Those with which the weights were chosen had another one."""
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Items with their vectors, and what people chose, the last choice apart."""

    vectors: Rows
    shares: dict[str, Rows]
    """The probability of each item, by person."""
    chosen: dict[str, list[int]]
    last: dict[str, int]


def main(persons: int) -> None:
    for name, (subject, style) in WORLDS.items():
        hits: dict[str, list[bool]] = {}
        seconds: dict[str, float] = {}
        for seed in SEEDS:
            world = simulated(persons, subject, style, seed)
            started = time.process_time()
            factors = factorise({person: {str(i): 1.0 for i in each} for person, each in world.chosen.items()})
            seconds["fit"] = seconds.get("fit", 0.0) + time.process_time() - started
            for way, suggest in Ways(world, factors, np.random.default_rng(0)).named().items():
                started = time.process_time()
                hits.setdefault(way, []).extend(world.last[person] in suggest(person) for person in world.chosen)
                seconds[way] = seconds.get(way, 0.0) + time.process_time() - started
        print(json.dumps({"world": name, "persons": persons, "fit_seconds": round(seconds["fit"] / len(SEEDS), 3)}))
        for way, found in hits.items():
            milliseconds = round(seconds[way] / len(found) * 1000, 1)
            print(json.dumps({"way": way, **interval(np.array(found)), "milliseconds": milliseconds}), flush=True)


def simulated(persons: int, subject: float, style: float, seed: int) -> World:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(SUBJECTS, DIMENSION))
    subjects, styles = rng.integers(SUBJECTS, size=ITEMS), rng.integers(STYLES, size=ITEMS)
    vectors = centres[subjects] + rng.normal(size=(ITEMS, DIMENSION)) * 0.7
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    popularity = rng.normal(size=ITEMS) * 0.7
    everybody: dict[str, Rows] = {}
    chosen: dict[str, list[int]] = {}
    last: dict[str, int] = {}
    for number in range(persons):
        liked = np.isin(subjects, rng.choice(SUBJECTS, 3, replace=False))
        logits = subject * liked + style * (styles == rng.integers(STYLES)) + popularity
        shares = np.exp(logits) / np.exp(logits).sum()
        *before, final = rng.choice(ITEMS, int(rng.integers(8, 41)), replace=False, p=shares).tolist()
        chosen[str(number)], last[str(number)], everybody[str(number)] = before, final, shares
    return World(vectors, everybody, chosen, last)


@dataclass(frozen=True)
class Ways:
    """The ways to suggest, for the people of one world."""

    world: World
    factors: Factors | None
    rng: np.random.Generator

    def named(self) -> dict[str, Callable[[str], set[int]]]:
        return {
            "chance": self.by_chance,
            "popularity": self.by_popularity,
            "similarity": lambda person: self.ranked(person, self.new(person), {}, diversity=0.0),
            "similarity, diverse": lambda person: self.ranked(person, self.new(person), {}),
            "factors": lambda person: set(self.liked(person)[:AMONG]),
            "suggestions": self.suggested,
            "oracle": lambda person: set(self.best(person, self.world.shares[person])),
        }

    def by_chance(self, person: str) -> set[int]:
        return set(self.rng.choice(self.new(person), AMONG, replace=False).tolist())

    def by_popularity(self, person: str) -> set[int]:
        everybody = [item for items in self.world.chosen.values() for item in items]
        return set(self.best(person, np.bincount(everybody, minlength=ITEMS).astype(np.float32)))

    def suggested(self, person: str) -> set[int]:
        unknown = np.array(self.new(person))
        near = self.world.vectors[self.world.chosen[person][-CHOICES:]] @ self.world.vectors[unknown].T
        items = {*unknown[np.argsort(-near)[:, :CANDIDATES]].ravel().tolist(), *self.liked(person)[:CANDIDATES]}
        return self.ranked(person, sorted(items), self.factors.liked(person) if self.factors else {})

    def ranked(self, person: str, items: list[int], others: Mapping[str, float], **options: float) -> set[int]:
        known = self.world.chosen[person]
        vectors = {str(item): self.world.vectors[item] for item in items}
        found = rank(vectors, self.world.vectors[known], [1.0] * len(known), others, AMONG, **options)
        return {int(each.item) for each in found}

    def liked(self, person: str) -> list[int]:
        scores, known = self.factors.liked(person) if self.factors else {}, set(self.world.chosen[person])
        return [int(item) for item in sorted(scores, key=lambda each: -scores[each]) if int(item) not in known]

    def best(self, person: str, values: Rows) -> list[int]:
        return sorted(self.new(person), key=lambda item: -values[item])[:AMONG]

    def new(self, person: str) -> list[int]:
        known = set(self.world.chosen[person])
        return [item for item in range(ITEMS) if item not in known]


def interval(hits: NDArray[np.bool_]) -> dict[str, float]:
    rng = np.random.default_rng(0)
    means = hits[rng.integers(len(hits), size=(2000, len(hits)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"hit_rate": round(float(hits.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3)}
