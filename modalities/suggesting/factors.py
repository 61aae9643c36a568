"""Implicit-feedback matrix factorisation by alternating least squares, with the `implicit` library."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
FEWEST_PERSONS = 3
"""What fewer persons have chosen is never suggested because of others: it would tell what one of them looked at."""
_FEWEST_ITEMS = 10
_FACTORS, _ITERATIONS, _REGULARIZATION, _CONFIDENCE = 16, 15, 1.0, 2.0


@dataclass(frozen=True)
class Factors:
    """The factors of persons and items, by their ids; rows have the shape (factors,)."""

    persons: dict[str, int]
    items: dict[str, int]
    person_rows: Matrix
    item_rows: Matrix

    def liked(self, person: str) -> dict[str, float]:
        """The predicted preference of a person for each item; empty for an unknown person."""
        if person not in self.persons:
            return {}
        scores = self.item_rows @ self.person_rows[self.persons[person]]
        return dict(zip(self.items, scores.tolist(), strict=True))

    def together(self, item: str) -> dict[str, float]:
        """The cosine of an item's factors with those of each other item; empty for an unknown item."""
        if item not in self.items:
            return {}
        lengths = np.maximum(np.linalg.norm(self.item_rows, axis=1), 1e-9)
        row = self.items[item]
        cosines = self.item_rows @ self.item_rows[row] / (lengths * lengths[row])
        return {each: float(cosine) for each, cosine in zip(self.items, cosines, strict=True) if each != item}


def factorise(chosen: Mapping[str, Mapping[str, float]], seed: int = 0) -> Factors | None:
    """Factorise the weights by person and item; None where there is too little to learn from.

    Items of fewer than FEWEST_PERSONS persons are left out. The same weights and seed give the same factors.
    """
    counts = Counter(item for items in chosen.values() for item in items)
    items = {item: column for column, item in enumerate(sorted(i for i, n in counts.items() if n >= FEWEST_PERSONS))}
    if len(items) < _FEWEST_ITEMS:
        return None
    kept = {person: {i: w for i, w in each.items() if i in items} for person, each in sorted(chosen.items())}
    persons = {person: row for row, person in enumerate(person for person, each in kept.items() if each)}
    person_rows, item_rows = _fit({persons[p]: each for p, each in kept.items() if p in persons}, items, seed)
    return Factors(persons, items, person_rows, item_rows)


def _fit(weights: Mapping[int, Mapping[str, float]], items: Mapping[str, int], seed: int) -> tuple[Matrix, Matrix]:
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    cells = [(row, items[item], weight) for row, each in weights.items() for item, weight in each.items()]
    rows, columns, values = zip(*cells, strict=True)
    matrix = csr_matrix((np.array(values, np.float32), (rows, columns)), shape=(len(weights), len(items)))
    with threadpool_limits(1, "blas"):  # implicit has threads of its own, and warns of those of BLAS
        model = AlternatingLeastSquares(
            factors=min(_FACTORS, len(items) // 2),
            iterations=_ITERATIONS,
            regularization=_REGULARIZATION,
            alpha=_CONFIDENCE,
            num_threads=1,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)
