"""The table `parts` of the search index: one row per searchable part, its full-text search, and its hits."""

from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from pydantic import BaseModel, ConfigDict

PartKind = Literal["image", "speech", "text"]
PART_KINDS: tuple[PartKind, ...] = ("image", "speech", "text")


class Entry(BaseModel):
    """A searchable part of an artifact; `vectors` are L2-normalised, by the name of their space.

    `place` is where the part is in the artifact, such as `page=3`; empty for the whole, and for times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    kind: PartKind
    artifact: str
    ordinal: int
    name: str
    text: str
    start_seconds: float | None
    end_seconds: float | None
    labels: tuple[str, ...]
    created: datetime
    vectors: dict[str, list[float]]
    place: str = ""


class Hit(BaseModel):
    """A search result; a higher score is better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    kind: PartKind
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None
    place: str = ""


def upsert_part(connection: Connection[Any], entry: Entry) -> int:
    """Insert or replace the row of a part; returns its id."""
    row = connection.execute(
        "insert into parts (project, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created, "
        "place) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (project, artifact, kind, ordinal) do update set "
        "name = excluded.name, body = excluded.body, start_seconds = excluded.start_seconds, "
        "end_seconds = excluded.end_seconds, labels = excluded.labels, created = excluded.created, "
        "place = excluded.place returning id",
        [
            entry.project,
            entry.kind,
            entry.artifact,
            entry.ordinal,
            entry.name.replace("\0", " "),
            entry.text.replace("\0", " "),
            entry.start_seconds,
            entry.end_seconds,
            list(entry.labels),
            entry.created,
            entry.place,
        ],
    ).fetchone()
    assert row is not None
    return row[0]


def full_text_matches(connection: Connection[Any], scope: list[Any], words: str | None, limit: int) -> list[int]:
    """The ids of parts that contain all of the words, best first.

    Words of scripts without spaces match as a substring.
    """
    if not words:
        return []
    found = connection.execute(
        "select id from parts, plainto_tsquery('simple', %s) q where project = %s and kind = %s "
        "and labels @> %s::text[] and created >= coalesce(%s::timestamptz, '-infinity') "
        "and created < coalesce(%s::timestamptz, 'infinity') "
        "and (words @@ q or (length(%s) >= 2 and %s ~ '[^\\x01-\\u024F]' "
        "and position(lower(%s) in lower(body)) > 0)) "
        "order by ts_rank_cd(words, q) desc, artifact, ordinal limit %s",
        [words, *scope, words, words, words, limit],
    )
    return [row[0] for row in found.fetchall()]


def hits_of_parts(
    connection: Connection[Any], scores: dict[int, float], tie_breakers: dict[int, float]
) -> list[tuple[float, float, str, int, Hit]]:
    """The hits of these parts, each after what it is ordered by: score, tie breaker, artifact and ordinal."""
    rows = connection.execute(
        "select id, artifact, name, kind, body, start_seconds, end_seconds, place, ordinal from parts "
        "where id = any(%s)",
        [list(scores)],
    ).fetchall()
    return [
        (
            scores[part],
            tie_breakers.get(part, 0.0),
            artifact,
            ordinal,
            Hit(
                artifact=artifact,
                name=name,
                kind=kind,
                score=round(scores[part], 6),
                text=body,
                start_seconds=start,
                end_seconds=end,
                place=place,
            ),
        )
        for part, artifact, name, kind, body, start, end, place, ordinal in rows
    ]
