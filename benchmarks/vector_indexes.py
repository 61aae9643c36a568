"""The vectors of benchmarks/search_scale.py in FAISS, LanceDB and plain pgvector: how fast each is built and searched.

`compare` is given what search_scale searched: vectors of ten projects, of which one is searched, with and without a
label. `pip install faiss-cpu lancedb` into another folder on PYTHONPATH; a library that is missing is left out. They
store vectors alone: no words, no artifacts, no rows that change while they are searched.
"""

import importlib
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg_pool import ConnectionPool

Array = NDArray[np.float32]
Search = Callable[[Array, str], list[int]]
"""Return the numbers of the ten nearest of the searched project, with a label unless it is empty."""
_LINKS, _BUILD_WIDTH, _WIDTH = 16, 64, 100
_BEST = 10
_CLIENTS = 50


@dataclass(frozen=True)
class Rows:
    """The vectors (n, dimension), which of them the searched project has, and which have each label (n, bool)."""

    vectors: Array
    of_project: NDArray[np.bool_]
    labels: Mapping[str, NDArray[np.bool_]]

    def searched(self, label: str) -> NDArray[np.bool_]:
        """Which vectors a search looks through."""
        return self.of_project & self.labels[label] if label else self.of_project


def compare(dsn: str, rows: Rows, queries: Array) -> None:
    """Build and search each, and print the figures."""
    for name, library, build in (
        ("FAISS HNSW", "faiss", _faiss),
        ("LanceDB IVF_HNSW_SQ", "lancedb", _lancedb),
        ("plain pgvector", "pgvector", partial(_pgvector, dsn)),
    ):
        try:
            importlib.import_module(library)
        except ImportError:
            print(f"{name}: {library} is not installed")
            continue
        started = time.perf_counter()
        with build(rows) as search:
            print(f"{name}: built in {time.perf_counter() - started:.0f} s")
            for label in ("", *rows.labels):
                _measure(rows, search, queries, label)


def _measure(rows: Rows, search: Search, queries: Array, label: str) -> None:
    places = np.flatnonzero(rows.searched(label))
    exact = [places[np.argsort(-(rows.vectors[places] @ query))[:_BEST]] for query in queries]

    def timed(query: Array) -> tuple[list[int], float]:
        started = time.perf_counter()
        return search(query, label), time.perf_counter() - started

    alone = [timed(query) for query in queries]
    with ThreadPoolExecutor(_CLIENTS) as threads:
        together = [seconds for _, seconds in threads.map(timed, queries)]
    recall = np.mean(
        [len(set(found) & set(truth)) / len(truth) for (found, _), truth in zip(alone, exact, strict=True)]
    )
    seconds = [each for _, each in alone]
    p50, p95, p95_together = (
        np.percentile(each, q) * 1000 for each, q in ((seconds, 50), (seconds, 95), (together, 95))
    )
    print(
        f"  {label or 'no filter':10} recall@10 {recall:.3f}; one client p50 {p50:.1f} ms, p95 {p95:.1f} ms; "
        f"{_CLIENTS} clients p95 {p95_together:.0f} ms"
    )


@contextmanager
def _faiss(rows: Rows) -> Generator[Search]:
    import faiss  # pyright: ignore[reportMissingImports]

    index: Any = faiss.IndexHNSWFlat(rows.vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _BUILD_WIDTH
    index.add(rows.vectors)
    chosen = {label: np.packbits(rows.searched(label), bitorder="little") for label in ("", *rows.labels)}

    def search(query: Array, label: str) -> list[int]:
        selector: Any = faiss.IDSelectorBitmap(chosen[label])
        options: Any = faiss.SearchParametersHNSW(efSearch=_WIDTH, sel=selector)
        _, found = index.search(query[None], _BEST, params=options)
        return [int(number) for number in found[0] if number >= 0]

    yield search


@contextmanager
def _lancedb(rows: Rows) -> Generator[Search]:
    import lancedb  # pyright: ignore[reportMissingImports]
    import pyarrow  # pyright: ignore[reportMissingImports]

    arrow: Any = pyarrow
    lance: Any = lancedb
    count, dimension = rows.vectors.shape
    columns = {
        "id": np.arange(count),
        "vector": arrow.FixedSizeListArray.from_arrays(rows.vectors.reshape(-1), dimension),
        **{f"in_{label or 'project'}": rows.searched(label) for label in ("", *rows.labels)},
    }
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        table = lance.connect(folder).create_table("parts", arrow.table(columns))
        options = {"metric": "cosine", "m": _LINKS, "ef_construction": _BUILD_WIDTH}
        table.create_index(index_type="IVF_HNSW_SQ", vector_column_name="vector", **options)
        for label in ("", *rows.labels):
            table.create_scalar_index(f"in_{label or 'project'}", index_type="BITMAP")

        def search(query: Array, label: str) -> list[int]:
            asked = table.search(query).distance_type("cosine").ef(_WIDTH).nprobes(20)
            return asked.where(f"in_{label or 'project'}", prefilter=True).limit(_BEST).to_arrow()["id"].to_pylist()

        yield search


@contextmanager
def _pgvector(dsn: str, rows: Rows) -> Generator[Search]:
    from pgvector import HalfVector
    from pgvector.psycopg import register_vector

    flags = [f"in_{label or 'project'}" for label in ("", *rows.labels)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        register_vector(connection)
        columns = ", ".join(f"{flag} boolean" for flag in flags)
        connection.execute(f"create table plain (id int, v halfvec({rows.vectors.shape[1]}), {columns})")  # type: ignore[arg-type]
        with connection.cursor().copy("copy plain from stdin (format binary)") as copied:
            copied.set_types(["int4", "halfvec", *["bool"] * len(flags)])
            searched = [rows.searched(label) for label in ("", *rows.labels)]
            for number, vector in enumerate(rows.vectors):
                copied.write_row((number, HalfVector(vector), *(bool(each[number]) for each in searched)))
        options = f"m = {_LINKS}, ef_construction = {_BUILD_WIDTH}"
        connection.execute(f"create index on plain using hnsw (v halfvec_ip_ops) with ({options})")  # type: ignore[arg-type]

    def prepare(connection: psycopg.Connection[Any]) -> None:
        register_vector(connection)
        connection.execute(f"set hnsw.ef_search = {_WIDTH}")  # type: ignore[arg-type]
        connection.execute("set hnsw.iterative_scan = strict_order")
        connection.commit()

    with ConnectionPool(dsn, min_size=8, max_size=8, configure=prepare) as pool:

        def search(query: Array, label: str) -> list[int]:
            asked = f"select id from plain where in_{label or 'project'} order by v <#> %s limit {_BEST}"
            with pool.connection() as connection:
                return [row[0] for row in connection.execute(asked, (HalfVector(query),))]  # type: ignore[arg-type]

        yield search
