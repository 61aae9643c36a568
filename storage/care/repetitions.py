"""Find texts that were removed where they are repeated: in the requests of cached answers."""

from collections.abc import Iterable, Iterator
from typing import Any

_LEAST_CHARACTERS = 16
"""Shorter texts are words that anybody may have asked for: they must be equal, longer ones may be parts."""


class Repetitions:
    """The removed texts, and whether a request repeats one of them, a part of one, or contains one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text.strip() for text in texts if text.strip()}
        self._long = [text for text in self._texts if len(text) >= _LEAST_CHARACTERS]
        self._all = "\n".join(self._long)

    def are_in(self, request: Any) -> bool:
        """Whether any text in the request repeats a removed one."""
        return bool(self._texts) and any(self._is_repeated(text.strip()) for text in _texts_in(request))

    def _is_repeated(self, text: str) -> bool:
        if text in self._texts:
            return True
        if len(text) < _LEAST_CHARACTERS:
            return False
        return text in self._all or any(removed in text for removed in self._long)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)
