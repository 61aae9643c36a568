"""The search index at a size: how fast it is filled and searched, and how near its answers are to exact ones.

Vectors of 384 dimensions in 2,000 clusters, over three kinds of parts and ten projects, in a database of its own on the
Postgres at DSN (a superuser's, as of a stack that is up); then the same vectors in other libraries, see
vector_indexes.py. Run from the checkout:

    python -m benchmarks.search_scale DSN 1000000 [SEARCHES]
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.vector_indexes import Rows, compare
from storage.index.parts import PART_KINDS, Entry
from storage.index.search_index import SearchIndex
from storage.index.search_query import Filters, VectorQuery

Array = NDArray[np.float32]
_DIMENSION, _CLUSTERS, _PROJECTS, _CHUNK = 384, 2000, 10, 5000
_SEARCHED = 3
"""The number of the project that is searched."""
_SHARES = {"half": 0.5, "hundredth": 0.01, "thousandth": 0.001}
_SPACE, _LINES = "benchmark@1", ((10.0, 0.0),)
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Data:
    """Vectors around cluster centres, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self._centres = self._random.standard_normal((_CLUSTERS, _DIMENSION), np.float32)

    def vectors(self, count: int) -> Array:
        centres = self._centres[self._random.integers(0, _CLUSTERS, count)]
        rows = centres + 0.7 * self._random.standard_normal((count, _DIMENSION), np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def labels(self) -> tuple[str, ...]:
        return tuple(name for name, share in _SHARES.items() if self._random.random() < share)


def main(dsn: str, parts: int, searches: int) -> None:
    """Fill, search, report, and drop the database."""
    name = f"search_scale_{uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        index = SearchIndex.connect(make_conninfo(**conninfo_to_dict(dsn) | {"dbname": name}))
        index.ensure_schema()
        data = Data()
        filled = _fill(index, data, parts)
        started = time.perf_counter()
        index.create_vector_indexes()
        print(f"HNSW: {time.perf_counter() - started:.0f} s")
        queries = data.vectors(searches)
        for filters in (Filters(), *(Filters(labels=(label,)) for label in _SHARES)):
            _measure(index, queries, filters)
        index.close()
        compare(make_conninfo(**conninfo_to_dict(dsn) | {"dbname": name}), filled, queries)
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _fill(index: SearchIndex, data: Data, parts: int) -> Rows:
    seconds = 0.0
    entries: list[tuple[Array, list[tuple[str, ...]]]] = []
    for start in range(0, parts, _CHUNK):
        rows = data.vectors(min(_CHUNK, parts - start))
        labels = [data.labels() for _ in rows]
        made = [_entry(start + n, row, labels[n]) for n, row in enumerate(rows)]
        started = time.perf_counter()
        index.add(made)
        seconds += time.perf_counter() - started
        entries.append((rows, labels))
    print(f"{parts:,} parts in {seconds:.0f} s: {parts / seconds:,.0f} parts/s")
    given = [labels for _, some in entries for labels in some]
    return Rows(
        vectors=np.concatenate([rows for rows, _ in entries]),
        of_project=np.arange(parts) % _PROJECTS == _SEARCHED,
        labels={name: np.array([name in labels for labels in given]) for name in _SHARES},
    )


def _entry(number: int, vector: Array, labels: tuple[str, ...]) -> Entry:
    return Entry(
        project=f"project-{number % _PROJECTS}",
        kind=PART_KINDS[number // _PROJECTS % 3],
        artifact=f"{number:064x}",
        ordinal=0,
        name=f"IMG_{number}.jpg",
        text=f"the words of part {number % 9973} and {number % 97}",
        start_seconds=None,
        end_seconds=None,
        labels=labels,
        created=_WHEN,
        vectors={_SPACE: vector.tolist()},
    )


def _measure(index: SearchIndex, queries: Array, filters: Filters) -> None:
    exact = [_search(index, query, filters, exact=True)[0] for query in queries]
    alone = [_search(index, query, filters) for query in queries]
    with ThreadPoolExecutor(50) as threads:
        together = list(threads.map(lambda query: _search(index, query, filters)[1], queries))
    recall = np.mean(
        [
            len(set(found) & set(truth)) / len(truth) if truth else 1.0
            for (found, _), truth in zip(alone, exact, strict=True)
        ]
    )
    name = filters.labels[0] if filters.labels else "no filter"
    print(
        f"{name:10} recall@10 {recall:.3f}; one client p50 {_percentile([s for _, s in alone], 50):.0f} ms, "
        f"p95 {_percentile([s for _, s in alone], 95):.0f} ms; 50 clients p95 {_percentile(together, 95):.0f} ms"
    )


def _search(index: SearchIndex, query: Array, filters: Filters, *, exact: bool = False) -> tuple[list[str], float]:
    """The ids of the ten best, and the seconds that it took."""
    started = time.perf_counter()
    asked = VectorQuery(_SPACE, query.tolist(), _LINES)
    found = index.search(
        f"project-{_SEARCHED}", vectors=dict.fromkeys(PART_KINDS, asked), filters=filters, limit=10, exact=exact
    )
    return [hit.artifact for hit in found.hits], time.perf_counter() - started


def _percentile(seconds: Sequence[float], percent: int) -> float:
    return float(np.percentile(seconds, percent)) * 1000


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 100)
