"""Read the parts of the index back as the entries that they were made of, to compare them with the bucket."""

from collections import defaultdict
from typing import Any

from psycopg import Connection, sql

from storage.index.parts import Entry
from storage.index.vector_spaces import all_tables

_FIELDS = (
    *("kind", "artifact", "ordinal", "name", "text", "start_seconds", "end_seconds", "labels", "created", "place"),
    *("artifact_kind", "made", "live_photo"),
)


def read_entries(connection: Connection[Any], project: str) -> dict[str, list[Entry]]:
    """The parts of each artifact, in order; `vectors` has the names of their spaces with empty lists."""
    spaces: defaultdict[int, dict[str, list[float]]] = defaultdict(dict)
    for name, _, table in all_tables(connection):
        for (part,) in connection.execute(sql.SQL("select part from {} where project = %s").format(table), [project]):
            spaces[part][name] = []
    rows = connection.execute(
        "select id, kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels, created, place, "
        "artifact_kind, made, live_photo from parts where project = %s order by artifact, kind, ordinal",
        [project],
    )
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for part, *values in rows:
        fields = dict(zip(_FIELDS, values, strict=True))
        found[values[1]].append(Entry(project=project, vectors=spaces[part], **fields))
    return found
