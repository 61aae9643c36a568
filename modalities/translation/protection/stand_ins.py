"""Stand-ins: words that replace protected spans in the input of a model: names, numbers, days of the week for dates."""

from collections.abc import Iterable, Sequence
from itertools import permutations

from modalities.translation.protection.checks import has_word
from modalities.translation.protection.dates import weekday_forms
from modalities.translation.protection.spans import Kind, Protected

StandIn = tuple[tuple[str, ...], tuple[str, ...]]
"""The forms of a word in the text, of which the first is put in, and its forms in the output."""
Standing = tuple[Protected, str, tuple[str, ...]]
"""A span, the word that stands for it, and the forms of that in the output."""

_Given = tuple[StandIn, Kind]
_MOST_ORDERS = 6


def assignments(
    text: str, spans: Sequence[Protected], stand_ins: Sequence[StandIn], languages: tuple[str, str]
) -> list[list[Standing]]:
    """List ways to let words that are not in a text stand for its spans, those of the same kind first.

    There are at most six, and none if there are fewer words than spans.
    """
    given: list[_Given] = _with_kind([each for each in stand_ins if each[0][0].isdigit()], "number")
    given += _with_kind([each for each in stand_ins if not each[0][0].isdigit()], "")
    if any(span.kind == "date" for span in spans):
        days = zip(weekday_forms(languages[0]), weekday_forms(languages[1]), strict=False)
        given.extend(_with_kind(days, "date"))
    free: list[_Given] = [(words, kind) for words, kind in given if not any(has_word(text, word) for word in words[0])]
    orders = list[tuple[_Given, ...]](permutations(free, len(spans)) if len(spans) <= len(free) else ())
    orders.sort(key=lambda order: sum(_misfit(span, each[1]) for span, each in zip(spans, order, strict=True)))
    return [
        [(span, words[0][0], words[1]) for span, (words, _) in zip(spans, order, strict=True)]
        for order in orders[:_MOST_ORDERS]
    ]


def _with_kind(words: Iterable[StandIn], kind: Kind) -> list[_Given]:
    return [(each, kind) for each in words]


def _misfit(span: Protected, kind: Kind) -> int:
    """Return how badly a word of a kind stands for a span: a day of the week fits nothing but a date."""
    wanted = {"amount": "number", "name": ""}.get(span.kind, span.kind)
    return 0 if kind == wanted else 3 if kind == "date" else 1
