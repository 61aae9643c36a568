"""The SQL of a search: one statement finds the nearest parts and those with the words, scores them and groups them.

A score is a probability. A vector's is the logistic function of a line of its cosine: of the lowest of several lines.
Words are evidence beside it: 1 - (1 - vector) (1 - words). What is unwanted takes from it: times 1 - unwanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pgvector import HalfVector
from psycopg import sql

from storage.index.concepts import concept_matches, lexemes_of_concepts, recognized_query
from storage.index.parts import PartKind
from storage.index.vector_spaces import space_table
from storage.index.word_query import WordQuery, word_matches
from storage.labels import TRASH

Line = tuple[float, float]
"""Slope and intercept: the logit of a probability as a function of a cosine."""


@dataclass(frozen=True)
class VectorQuery:
    """A query in a vector space: its vector, and the lines that make a probability of a cosine.

    `unwanted` are vectors with their lines; a part that is near one of them is less probably a hit. `concepts` are what
    the query names that pictures may show, for each word the concepts that it may mean; `coverage` is the share of its
    words that name any. `excluded` are concepts that no picture of a hit shows.
    """

    space: str
    vector: list[float]
    lines: tuple[Line, ...]
    unwanted: tuple[tuple[list[float], tuple[Line, ...]], ...] = ()
    concepts: tuple[tuple[str, ...], ...] = ()
    coverage: float = 1.0
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filters:
    """What a search is limited to. `since` and `until` are when an artifact came, `made_…` when it was made.

    The earlier limit belongs to the range, the later one does not. `without` is an artifact that is no hit.
    """

    kinds: tuple[PartKind, ...] = ("image", "speech", "text")
    labels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    made_since: datetime | None = None
    made_until: datetime | None = None
    without: str = ""


def search_statement(
    project: str,
    spaces: dict[PartKind, tuple[int, VectorQuery]],
    words: WordQuery | None,
    filters: Filters,
    *,
    depth: int,
    cut_off: float,
    limit: int,
    offset: int,
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement and its parameters. A row is a part of a hit, best first, with the columns of `hits_of_rows`."""
    values: dict[str, Any] = {"project": project, "depth": depth, "cut_off": cut_off, "limit": limit, "offset": offset}
    condition = _condition(filters, values)
    candidates = [
        _near(kind, number, query, condition, bool(words and words.required), values)
        for kind, (number, query) in spaces.items()
    ]
    matches = _matches(words, spaces, condition, values)
    near: Sequence[sql.Composable] = candidates or [_NOTHING_NEAR]
    ctes: list[sql.Composable] = [sql.SQL("near as ({})").format(sql.SQL(" union all ").join(near))]
    if matches:
        ctes.append(sql.SQL("matches as ({})").format(sql.SQL(" union all ").join(matches)))
        ctes.append(_vectors_of_matches(spaces, values))
    ctes += _scores(_excluded(words, spaces), bool(matches), values)
    ctes += _hits(_condition(replace(filters, without=""), values), filters.without)
    groups = [group for _, query in spaces.values() for group in query.concepts]
    values["named"] = lexemes_of_concepts(name for group in groups for name in group)
    statement = sql.SQL("with {} {}").format(sql.SQL(", ").join(ctes), _PAGE)
    return statement, values


def _condition(filters: Filters, values: dict[str, Any]) -> sql.Composed:
    """The filters on a table with the alias p, without those that limit nothing."""
    terms: list[sql.Composable] = [sql.SQL("p.project = %(project)s")]
    if set(filters.kinds) != {"image", "speech", "text"}:
        values["kinds"] = list(filters.kinds)
        terms.append(sql.SQL("p.artifact_kind = any(%(kinds)s)"))
    if filters.labels:
        values["labels"] = list(filters.labels)
        terms.append(sql.SQL("p.labels @> %(labels)s::text[]"))
    if TRASH not in filters.labels:
        values["trash"] = TRASH
        terms.append(sql.SQL("%(trash)s <> all(p.labels)"))
    if filters.without:
        values["without"] = filters.without
        terms.append(sql.SQL("p.artifact <> %(without)s"))
    for name, column, sign in _TIMES:
        if (limit := getattr(filters, name)) is not None:
            values[name] = limit
            terms.append(sql.SQL("p.{} {} {}").format(sql.Identifier(column), sql.SQL(sign), sql.Placeholder(name)))
    return sql.SQL(" and ").join(terms)


_TIMES: Sequence[tuple[str, str, Any]] = (
    ("since", "created", ">="),
    ("until", "created", "<"),
    ("made_since", "made", ">="),
    ("made_until", "made", "<"),
)


def _near(
    kind: PartKind, number: int, query: VectorQuery, condition: sql.Composed, required: bool, values: dict[str, Any]
) -> sql.Composed:
    """The nearest parts of a kind. None where words in quotes are required: those are found by their words."""
    values[f"vector_{kind}"] = HalfVector(query.vector)
    return sql.SQL(
        "select v.part, v.artifact, {score} as vector, count(*) over () >= %(depth)s and "
        "min({score}) over () >= %(cut_off)s as full_depth from (select p.part, p.artifact, p.embedding, "
        "1 - (p.embedding <=> {vector}::halfvec) as cosine from {table} p where {condition} {never} "
        "order by p.embedding <=> {vector}::halfvec limit %(depth)s) v"
    ).format(
        score=_probability(kind, query, values),
        vector=sql.Placeholder(f"vector_{kind}"),
        table=space_table(number, kind),
        condition=condition,
        never=sql.SQL("and false" if required else ""),
    )


def _probability(kind: PartKind, query: VectorQuery, values: dict[str, Any]) -> sql.Composed:
    """The probability of a row v with a cosine and an embedding."""
    score = _logistic(sql.SQL("v.cosine"), query.lines)
    for number, (vector, lines) in enumerate(query.unwanted):
        name = f"unwanted_{kind}_{number}"
        values[name] = HalfVector(vector)
        cosine = sql.SQL("(1 - (v.embedding <=> {}::halfvec))").format(sql.Placeholder(name))
        score = sql.SQL("{} * (1 - {})").format(score, _logistic(cosine, lines))
    return sql.SQL("({})").format(score)


def _logistic(cosine: sql.Composable, lines: Sequence[Line]) -> sql.Composed:
    terms = [
        sql.SQL("{} * {} + {}").format(sql.Literal(round(slope, 6)), cosine, sql.Literal(round(intercept, 6)))
        for slope, intercept in lines
    ]
    # exp overflows beyond 700
    return sql.SQL("(1 / (1 + exp(-greatest(least({}), -500))))").format(sql.SQL(", ").join(terms))


def _matches(
    words: WordQuery | None,
    spaces: dict[PartKind, tuple[int, VectorQuery]],
    condition: sql.Composed,
    values: dict[str, Any],
) -> list[sql.Composable]:
    """Selects of the parts with the words or the concepts of the query, and how probable each match makes a hit."""
    selects: list[sql.Composable] = []
    if words and (words.required or words.anywhere):
        selects.append(word_matches(words, condition, values))
    if not (words and words.required):
        for _, query in spaces.values():
            if query.concepts:
                selects += concept_matches(query.concepts, query.coverage, condition, values)
    return selects


def _vectors_of_matches(spaces: dict[PartKind, tuple[int, VectorQuery]], values: dict[str, Any]) -> sql.Composed:
    """The probability by vector of the parts with the words; none is taken from those without a vector."""
    selects = [
        sql.SQL(
            "select v.part, {score} as vector from (select p.part, p.embedding, "
            "1 - (p.embedding <=> {vector}::halfvec) as cosine from matches m join {table} p on p.part = m.part) v"
        ).format(
            score=_probability(kind, query, values),
            vector=sql.Placeholder(f"vector_{kind}"),
            table=space_table(number, kind),
        )
        for kind, (number, query) in spaces.items()
    ]
    none = sql.SQL("select null::bigint as part, null::float8 as vector where false")
    return sql.SQL("matched_vectors as ({})").format(sql.SQL(" union all ").join(selects or [none]))


def _excluded(words: WordQuery | None, spaces: dict[PartKind, tuple[int, VectorQuery]]) -> str:
    """A text search query for the words and concepts that must not occur in any part of a hit."""
    names = sorted({name for _, query in spaces.values() for name in query.excluded})
    return " | ".join(each for each in (words.excluded if words else "", recognized_query(names)) if each)


def _scores(excluded_words: str, has_matches: bool, values: dict[str, Any]) -> list[sql.Composable]:
    """Every candidate with its score, without artifacts with the excluded words."""
    excluded: sql.Composable = sql.SQL("")
    if excluded_words:
        values["excluded"] = excluded_words
        excluded = sql.SQL(
            "where not exists (select 1 from parts p where p.project = %(project)s and p.artifact = c.artifact "
            "and p.words @@ %(excluded)s::tsquery)"
        )
    merged: sql.Composable = sql.SQL("select part, artifact, vector, 0::float8 as evidence from near")
    if has_matches:
        merged = sql.SQL(
            "{} union all select m.part, m.artifact, coalesce(v.vector, 0), m.evidence "
            "from matches m left join matched_vectors v on v.part = m.part"
        ).format(merged)
    return [
        sql.SQL(
            "scored as (select part, artifact, 1 - (1 - max(vector)) * (1 - max(evidence)) as score, "
            "max(vector) as vector, max(evidence) as evidence from ({}) c {} group by part, artifact)"
        ).format(merged, excluded)
    ]


def _hits(condition: sql.Composed, without: str) -> list[sql.Composable]:
    """The candidates above the cut-off by artifact. The film of a live photo stands under its picture, if it passes."""
    return [
        sql.SQL(
            "shown as (select s.part, s.score, coalesce((select p.artifact from parts f join parts p "
            "on p.project = f.project and p.live_photo = f.live_photo and p.live_photo <> '' "
            "where f.id = s.part and f.artifact_kind = 'speech' and p.artifact_kind = 'image' and {} "
            "order by p.created, p.artifact limit 1), s.artifact) as artifact "
            "from scored s where s.score >= %(cut_off)s)"
        ).format(condition),
        sql.SQL(
            "ranked as (select *, row_number() over (partition by artifact order by score desc, part) as place "
            "from shown {})"
        ).format(sql.SQL("where artifact <> %(without)s" if without else "")),
        sql.SQL(
            "hits as (select artifact, score, count(*) over () as total from ranked where place = 1 "
            "order by score desc, artifact limit %(limit)s offset %(offset)s)"
        ),
    ]


_NOTHING_NEAR = sql.SQL(
    "select null::bigint part, null::text artifact, null::float8 vector, false full_depth where false"
)
_PAGE = sql.SQL(
    "select h.artifact, h.score, h.total, a.name, a.artifact_kind, p.kind, r.score, p.body, p.start_seconds, "
    "p.end_seconds, p.place, (select bool_or(full_depth) from near), "
    "case when p.kind = 'image' then array(select unnest(tsvector_to_array(p.words)) intersect "
    "select unnest(%(named)s::text[])) else '{}' end from hits h "
    "join ranked r on r.artifact = h.artifact and r.place <= 5 join parts p on p.id = r.part "
    "join lateral (select name, artifact_kind from parts n where n.project = %(project)s and n.artifact = h.artifact "
    "limit 1) a on true "
    "order by h.score desc, h.artifact, r.place"
)
"""The hits with at most five parts each, and what was recognized in pictures of what the query names."""
