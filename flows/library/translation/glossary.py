"""The glossary of a project: what terms are called in another language, and words that are never translated."""

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flows.running.platform import Space
from modalities.translation.languages import is_same_language

_REFERENCE = "glossary"
ANY = "*"
"""The source and target of words that no language changes."""


class Term(BaseModel):
    """A term, and what it is called in the target language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(max_length=12)
    target: str = Field(max_length=12)
    term: str = Field(min_length=1, max_length=200)
    translation: str = Field(min_length=1, max_length=200)


_SHAPE = TypeAdapter(list[Term])


def list_terms(space: Space) -> list[Term]:
    """List the terms of a project in the order in which they were added. Raises RecordCorrupt."""
    return space.refs.get_as(_REFERENCE, _SHAPE) or []


def add_term(space: Space, term: Term) -> None:
    """Add a term, in the place of an earlier translation of it."""
    space.refs.update(_REFERENCE, lambda found: [*_without(found, term), term.model_dump()])


def remove_term(space: Space, term: Term) -> bool:
    """Remove a term; return whether there was one."""
    before = len(list_terms(space))
    return len(space.refs.update(_REFERENCE, lambda found: _without(found, term))) < before


def terms_for(space: Space, source: str, target: str) -> tuple[tuple[str, str], ...]:
    """Return the terms of a language pair with their translations."""
    return tuple(
        (each.term, each.translation)
        for each in list_terms(space)
        if each.source == ANY or (is_same_language(each.source, source) and is_same_language(each.target, target))
    )


def _without(found: list[dict[str, str]] | None, term: Term) -> list[dict[str, str]]:
    key = (term.source, term.target, term.term)
    return [each for each in found or [] if (each["source"], each["target"], each["term"]) != key]
