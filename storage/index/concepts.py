"""What pictures show, as lexemes of their parts: a search for a concept finds those in which it was recognized."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import sql

from storage.index.lexemes import quoted

_LEVELS = (("@A", 0.5, 0.9), ("@B", 0.25, 0.65), ("@C", 0.1, 0.45), ("@D", 0.0, 0.3))
"""How a lexeme begins, from which probability of the concept on, and how probable a match makes a hit.

No token of a text begins with @. The level is in the lexeme and not its weight, since GIN indexes know no weights.
"""
_RECOGNIZED_LEVELS = 2
"""In how many of the first levels a concept was recognized: with a probability of 0.25 or more."""
_MOST_MATCHES = 1000
"""Of each level, so that many pictures in which a concept is hardly seen do not hide the best."""


def concept_lexemes(concepts: Mapping[str, float]) -> Iterator[str]:
    """The lexemes of the concepts that a picture shows, in the form of a tsvector, from their probabilities."""
    for name, probability in concepts.items():
        yield quoted(next(beginning for beginning, least, _ in _LEVELS if probability >= least) + name)


def lexemes_of_concepts(names: Iterable[str]) -> list[str]:
    """The lexemes of concepts at every level, as they stand in a tsvector."""
    return [beginning + name for name in names for beginning, _, _ in _LEVELS]


def concepts_of_lexemes(lexemes: Iterable[str]) -> dict[str, float]:
    """The concepts of lexemes, the most probable first, each with the probability from which on its level is."""
    least = {beginning: bound for beginning, bound, _ in _LEVELS}
    return {lexeme[2:]: least[lexeme[:2]] for lexeme in sorted(lexemes)}


def concept_evidence(groups: Sequence[Sequence[str]], coverage: float, shown: Mapping[str, float]) -> float:
    """How probable it is that a part which shows these concepts is what was asked for; see `concept_matches`."""
    found = [max((shown.get(name, 0.0) for name in group), default=0.0) for group in groups]
    least = (min if coverage >= 1 else max)(found, default=0.0)
    return coverage**0.5 * next((evidence for _, bound, evidence in _LEVELS if least > 0 and least >= bound), 0.0)


def concept_matches(
    groups: Sequence[Sequence[str]], coverage: float, condition: sql.Composable, values: dict[str, Any]
) -> list[sql.Composable]:
    """The parts that show the concepts, one select for each level, with how probable each match makes a hit.

    `groups` are the words of the query, each with the concepts that it may mean. If they are all there is (a `coverage`
    of 1), a part shows all of them; otherwise one is enough, and counts less. `condition` is on the table p.
    """
    joined = " & " if coverage >= 1 else " | "
    selects: list[sql.Composable] = []
    for number, (_, _, evidence) in enumerate(_LEVELS, start=1):
        name = f"concepts_{number}"
        values[name] = joined.join(_any_of(group, number) for group in groups)
        selects.append(
            sql.SQL(
                "(select p.id as part, p.artifact, p.kind, {}::float8 as evidence from parts p "
                "where {} and p.words @@ {}::tsquery limit {})"
            ).format(
                sql.Literal(round(evidence * coverage**0.5, 4)),
                condition,
                sql.Placeholder(name),
                sql.Literal(_MOST_MATCHES),
            )
        )
    return selects


def recognized_query(names: Sequence[str]) -> str:
    """A text search query for the parts in which any of these concepts was recognized; empty without any."""
    return _any_of(names, _RECOGNIZED_LEVELS) if names else ""


def _any_of(names: Sequence[str], levels: int) -> str:
    """A text search query for any of the concepts in any of the first levels."""
    lexemes = (quoted(beginning + name) for name in names for beginning, _, _ in _LEVELS[:levels])
    return f"({' | '.join(lexemes)})"
