"""The schema of the search index, as migrations that are applied once each."""

from typing import Any, LiteralString

from psycopg import Connection, sql

from storage.index.database import Migration
from storage.index.lexemes import text_search_vector
from storage.index.parts import PART_KINDS, PartKind
from storage.index.vector_spaces import create_space_tables, space_table

_BATCH = 2000
_BEFORE_VERSIONS: LiteralString = """
create extension if not exists vector;
create table if not exists parts (
    id bigint generated always as identity primary key,
    project text not null, kind text not null, artifact text not null, ordinal int not null,
    name text not null, body text not null, start_seconds float8, end_seconds float8,
    labels text[] not null, created timestamptz not null,
    unique (project, artifact, kind, ordinal));
create table if not exists spaces (
    id int generated always as identity primary key, name text not null unique, dimension int not null);
"""
"""The tables as they were when each start created what was missing."""
_COLUMNS: LiteralString = """
drop index if exists parts_words;
drop index if exists parts_place;
alter table parts drop column if exists words;
alter table parts add column words tsvector;
alter table parts add column if not exists place text not null default '';
alter table parts add column artifact_kind text;
alter table parts add column made timestamptz;
update parts set artifact_kind = kind, made = created;
alter table parts alter column artifact_kind set not null;
alter table parts alter column made set not null;
"""
_INDEXES: LiteralString = """
alter table parts alter column words set not null;
create index parts_kinds on parts (project, kind);
create table if not exists serving (
    project text not null, kind text not null, space int not null references spaces (id) on delete cascade,
    primary key (project, kind));
"""
_LIVE_PHOTOS: LiteralString = """
alter table parts add column live_photo text not null default '';
create index parts_live_photos on parts (project, live_photo) where live_photo <> '';
"""


def baseline(connection: Connection[Any]) -> None:
    """Create the tables of the first releases if they are missing."""
    connection.execute(_BEFORE_VERSIONS)


def words_and_kinds(connection: Connection[Any]) -> None:
    """Make the lexemes of every part anew, and move the vectors into one table of halfvec for each space and kind."""
    connection.execute(_COLUMNS)
    _fill_words(connection)
    _create_word_index(connection)
    connection.execute(_INDEXES)
    for number, dimension in connection.execute("select id, dimension from spaces").fetchall():
        _split_by_kind(connection, number, dimension)
    connection.execute(_SERVE_THE_FULLEST)


def live_photos(connection: Connection[Any]) -> None:
    """Add the identifier that the picture and the film of a live photo share."""
    connection.execute(_LIVE_PHOTOS)


MIGRATIONS: tuple[Migration, ...] = (baseline, words_and_kinds, live_photos)

_SERVE_THE_FULLEST: LiteralString = """
create temporary table filled (space int, project text, kind text, number bigint) on commit drop;
do $$ declare each record; begin
    for each in select s.id, k.kind from spaces s, unnest(array['image', 'speech', 'text']) k (kind) loop
        execute format(
            'insert into filled select %s, project, %L, count(*) from %I group by project',
            each.id, each.kind, 'space_' || each.id || '_' || each.kind);
    end loop;
end $$;
insert into serving (project, kind, space)
    select distinct on (project, kind) project, kind, space from filled order by project, kind, number desc, space desc;
"""


def _fill_words(connection: Connection[Any]) -> None:
    last = 0
    while True:
        rows = connection.execute(
            "select id, name, body from parts where id > %s order by id limit %s", [last, _BATCH]
        ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        connection.execute(
            "update parts p set words = made.words::tsvector from unnest(%s::bigint[], %s::text[]) made (id, words) "
            "where p.id = made.id",
            [[row[0] for row in rows], [text_search_vector(name, body) for _, name, body in rows]],
        )


def _create_word_index(connection: Connection[Any]) -> None:
    """Index the words, with the project where Postgres has btree_gin: then no search reads those of other projects."""
    available = connection.execute("select 1 from pg_available_extensions where name = 'btree_gin'").fetchone()
    if available:
        connection.execute("create extension if not exists btree_gin")
    columns: LiteralString = "project, words" if available else "words"
    connection.execute(f"create index parts_words on parts using gin ({columns})")


def _split_by_kind(connection: Connection[Any], number: int, dimension: int) -> None:
    create_space_tables(connection, number, dimension)
    before = sql.Identifier(f"space_{number}")
    exists = connection.execute("select to_regclass(%s)", [f"space_{number}"]).fetchone()
    if not exists or not exists[0]:
        return
    for kind in PART_KINDS:
        _move(connection, before, space_table(number, kind), kind)
    connection.execute(sql.SQL("drop table {}").format(before))


def _move(connection: Connection[Any], before: sql.Identifier, table: sql.Identifier, kind: PartKind) -> None:
    connection.execute(
        sql.SQL(
            "insert into {} (part, project, artifact, artifact_kind, labels, created, made, embedding) "
            "select p.id, p.project, p.artifact, p.artifact_kind, p.labels, p.created, p.made, v.embedding::halfvec "
            "from {} v join parts p on p.id = v.part where p.kind = %s"
        ).format(table, before),
        [kind],
    )
