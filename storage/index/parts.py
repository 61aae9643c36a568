"""The parts of artifacts that search finds: one row each in the table `parts`, and the hits that are made of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection, sql
from pydantic import BaseModel, ConfigDict

from storage.index.concepts import concept_lexemes, concepts_of_lexemes
from storage.index.lexemes import Span, Word, spans_of, text_search_vector

PartKind = Literal["image", "speech", "text"]
PART_KINDS: tuple[PartKind, ...] = ("image", "speech", "text")


class Entry(BaseModel):
    """A searchable part of an artifact; `vectors` are L2-normalised, by the name of their space.

    `kind` says how the part is searched: something seen, said or written. `artifact_kind` is what the whole is, if
    that is another. `place` is where the part is in the artifact, such as `page=3`; empty for the whole, and for
    times. `made` is when the artifact was made, if that is known; `created` when it came.
    `live_photo` is the identifier that a picture shares with its film.
    `concepts` are what a picture shows, with their probabilities; they are written and not read back.
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
    artifact_kind: PartKind | None = None
    made: datetime | None = None
    live_photo: str = ""
    concepts: dict[str, float] = {}

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What is unique to a part; rows are written in this order, since other orders could deadlock."""
        return (self.project, self.artifact, self.kind, self.ordinal)


class Place(BaseModel):
    """A part of a hit: its words, where it is in the artifact, and why it was found.

    `marks` are the beginnings and ends, in characters, of the query's words in the text. `concepts` are those that the
    query names and that were recognized in the picture, such as dog.n.01, with the probability that it has at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: PartKind
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None
    place: str = ""
    marks: tuple[Span, ...] = ()
    concepts: dict[str, float] = {}


class Hit(BaseModel):
    """An artifact that a search found. `score` is the probability that it is what was asked for, from 0 to 1.

    The text, times and place are those of its best part; `places` are its best parts. `name_marks` are where the words
    of the query stand in its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    kind: PartKind
    score: float
    text: str
    start_seconds: float | None
    end_seconds: float | None
    place: str = ""
    places: tuple[Place, ...] = ()
    name_marks: tuple[Span, ...] = ()


_DIGITS = 4
"""Of a score: more would tell one run of the same search from another."""


def hits_of_rows(rows: Sequence[tuple[Any, ...]], words: Sequence[Word] = ()) -> tuple[list[Hit], int, bool]:
    """The hits of a page, how many there are in all, and whether deeper ranks may have more of them."""
    grouped: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    hits = [_hit(artifact, of_artifact, words) for artifact, of_artifact in grouped.items()]
    return hits, rows[0][2] if rows else 0, bool(rows and rows[0][11])


def _hit(artifact: str, rows: Sequence[tuple[Any, ...]], words: Sequence[Word]) -> Hit:
    _, score, _, name, kind, *_ = rows[0]
    places = tuple(_place(row, words) for row in rows)
    best = places[0].model_dump(include={"text", "start_seconds", "end_seconds", "place"})
    marks = spans_of(words, name, inside=True)
    return Hit(
        artifact=artifact, name=name, kind=kind, score=round(score, _DIGITS), places=places, name_marks=marks, **best
    )


def _place(row: tuple[Any, ...], words: Sequence[Word]) -> Place:
    kind, score, text, start, end, place, _, recognized = row[5:13]
    return Place(
        kind=kind,
        score=round(score, _DIGITS),
        text=text,
        start_seconds=start,
        end_seconds=end,
        place=place,
        marks=spans_of(words, text),
        concepts=concepts_of_lexemes(recognized),
    )


_COLUMNS = (
    "project, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created, place, artifact_kind, "
    "made, live_photo, words"
)
_STAGE = (
    "create temporary table if not exists incoming_parts (project text, kind text, artifact text, ordinal int, "
    "name text, body text, start_seconds float8, end_seconds float8, labels text[], created timestamptz, place text, "
    "artifact_kind text, made timestamptz, live_photo text, words tsvector) on commit delete rows"
)
_UPSERT = (
    "on conflict (project, artifact, kind, ordinal) do update set name = excluded.name, body = excluded.body, "
    "start_seconds = excluded.start_seconds, end_seconds = excluded.end_seconds, labels = excluded.labels, "
    "created = excluded.created, place = excluded.place, artifact_kind = excluded.artifact_kind, "
    "made = excluded.made, live_photo = excluded.live_photo, words = excluded.words "
    "returning project, artifact, kind, ordinal, id"
)


def write_parts(connection: Connection[Any], entries: Sequence[Entry]) -> dict[tuple[str, str, str, int], int]:
    """Insert or replace the rows of parts, each given once. Returns their ids by their keys."""
    connection.execute(_STAGE)
    with connection.cursor().copy(sql.SQL("copy incoming_parts ({}) from stdin").format(sql.SQL(_COLUMNS))) as copy:
        for entry in entries:
            copy.write_row(_row(entry))
    columns = sql.SQL(_COLUMNS)
    statement = sql.SQL(
        "insert into parts ({0}) select {0} from incoming_parts order by project, artifact, kind, ordinal {1}"
    ).format(columns, sql.SQL(_UPSERT))
    return {(row[0], row[1], row[2], row[3]): row[4] for row in connection.execute(statement).fetchall()}


def _row(entry: Entry) -> tuple[Any, ...]:
    name, text = entry.name.replace("\0", " "), entry.text.replace("\0", " ")
    return (
        entry.project,
        entry.kind,
        entry.artifact,
        entry.ordinal,
        name,
        text,
        entry.start_seconds,
        entry.end_seconds,
        list(entry.labels),
        entry.created,
        entry.place,
        entry.artifact_kind or entry.kind,
        entry.made or entry.created,
        entry.live_photo.replace("\0", ""),
        " ".join((text_search_vector(name, text), *concept_lexemes(entry.concepts))),
    )
