"""Data augmentation for sentence pairs: placeholders, replaced spans, capitals, fragments, and copied texts.

Random choices are seeded by the pair, so that the same data give the same augmentations.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random

from training.translation.data import Pair

PLACEHOLDERS = tuple(f"\u27e6{number}\u27e7" for number in range(10))
"""Placeholder tokens, each a single piece of the vocabulary, which a model is trained to copy."""

_SPAN = re.compile(
    r"`[^`]+`|https?://[^\s<>()\"']*[\w/]|[\w.+-]+@[\w-]+\.[\w.-]*\w|\{\{[^{}]+\}\}|\{[^{}\s]*\}|%\(\w+\)[sd]"
    r"|%\d*\$?[sd@]|\$\{?\w+\}?|</?\w[^<>]*>|[@#]\w+|\d+(?:[.,:/]\d+)*"
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-zà-ÿ]{2,}\b")
_HAN_NAMES = {"Tom": "汤姆", "Mary": "玛丽", "Boston": "波士顿", "John": "约翰", "Australia": "澳大利亚"}
_SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ber",
    "ten",
    "ru",
    "sal",
    "vi",
    "nor",
    "da",
    "gre",
    "po",
    "shi",
    "mar",
    "el",
    "tor",
    "ze",
)
_DOMAINS = ("example.com", "mail.org", "shop.de", "museum.fr", "news.net", "uni.edu", "correo.es", "data.io")


def with_placeholders(pair: Pair, share: float) -> Pair:
    """For a share of the pairs: replace spans that occur once on both sides by placeholder tokens."""
    draw = _generator(pair, "placeholder")
    if draw.random() > share:
        return pair
    source, target = pair.source, pair.target
    numbers = draw.sample(range(len(PLACEHOLDERS)), len(PLACEHOLDERS))
    for span in dict.fromkeys(_SPAN.findall(source)):
        if numbers and source.count(span) == target.count(span) == 1:
            placeholder = PLACEHOLDERS[numbers.pop()]
            source, target = source.replace(span, placeholder), target.replace(span, placeholder)
    return replace(pair, source=source, target=target)


def augmentations(pair: Pair) -> Iterator[Pair]:
    """At most one changed copy of a pair, for about a quarter of the pairs."""
    draw = _generator(pair, "variant")
    choice = draw.random()
    start = 0.0
    for share, change in _CHANGES:
        if start <= choice < start + share:
            changed = change(pair, draw)
            if changed is not None:
                yield changed
            return
        start += share


def names_of(pair: Pair) -> set[str]:
    """Capitalized words inside a sentence that also occur in its translation."""
    return {name for name in _NAME.findall(pair.source) if name in pair.target}


def copied_texts(source: str, target: str, count: int, names: Iterable[str] = ()) -> Iterator[Pair]:
    """Pairs of identical texts: addresses, numbers, codes, placeholders, names."""
    draw = Random(f"{source} {target}")
    given = sorted(names)
    for _ in range(count):
        text = draw.choice(given) if given and draw.random() < 0.3 else _span(draw)
        yield Pair(text, text, source, target, "copies")


def _with_other_name(pair: Pair, draw: Random) -> Pair | None:
    """Replace a name that occurs on both sides by another name, an address or a placeholder."""
    for name in draw.sample(found := sorted(set(_NAME.findall(pair.source)) | _known(pair.source)), len(found)):
        other = _HAN_NAMES.get(name, name) if pair.target_language == "zh" else name
        if pair.source.count(name) == 1 and pair.target.count(other) == 1:
            span = _span(draw)
            if other != name and span[0].isalpha():
                return None
            return replace(pair, source=pair.source.replace(name, span), target=pair.target.replace(other, span))
    return None


def _with_other_number(pair: Pair, draw: Random) -> Pair | None:
    """Replace a number that occurs on both sides by another one."""
    for number in re.findall(r"(?<!\u27e6)\b\d+\b(?!\u27e7)", pair.source):
        if pair.source.count(number) == pair.target.count(number) == 1:
            other = str(draw.randint(10 ** (size := draw.randint(0, 4)), 10 ** (size + 1) - 1))
            return replace(pair, source=pair.source.replace(number, other), target=pair.target.replace(number, other))
    return None


def _with_span(pair: Pair, draw: Random) -> Pair | None:
    """Insert a span before the sentence, or after it in brackets, on both sides."""
    if len(pair.source) > 80:
        return None
    span = _span(draw)
    around = draw.choice(("{}: {}", "{} – {}", "({}) {}", "{1} ({0})", "{1} {0}"))
    if "{1}" not in around:
        around = around.replace("{}", "{0}", 1).replace("{}", "{1}", 1)
    return replace(pair, source=around.format(span, pair.source), target=around.format(span, pair.target))


def _in_capitals(pair: Pair, draw: Random) -> Pair | None:
    if (
        len(pair.source) > 70
        or any(placeholder in pair.source for placeholder in PLACEHOLDERS)
        or _SPAN.search(pair.source)
    ):
        return None
    return replace(pair, source=pair.source.upper(), target=pair.target.upper())


def _as_fragment(pair: Pair, draw: Random) -> Pair | None:
    """Remove the full stop; sometimes lowercase the source."""
    if not (pair.source.endswith((".", "。")) and pair.target.endswith((".", "。"))):
        return None
    source = pair.source[:-1].lower() if draw.random() < 0.3 else pair.source[:-1]
    return replace(pair, source=source, target=pair.target[:-1])


_CHANGES: tuple[tuple[float, Callable[[Pair, Random], Pair | None]], ...] = (
    (0.08, _with_other_name),
    (0.20, _with_other_number),  # few sentences have a number
    (0.02, _with_span),
    (0.03, _in_capitals),
    (0.04, _as_fragment),
)


def _span(draw: Random) -> str:
    return draw.choice(_SPANS)(draw)


def _word(draw: Random) -> str:
    return "".join(draw.choices(_SYLLABLES, k=draw.randint(2, 3)))


def _code(draw: Random) -> str:
    letters = "".join(draw.choices("ABCDEFGHKLMNPRSTUVWXZ", k=draw.randint(2, 3)))
    return f"{letters}{draw.choice(('-', '', ' ', '_'))}{draw.randint(1, 9999)}"


_SPANS: tuple[Callable[[Random], str], ...] = (
    lambda draw: draw.choice(PLACEHOLDERS),
    lambda draw: draw.choice(PLACEHOLDERS),
    lambda draw: draw.choice(PLACEHOLDERS),
    lambda draw: _word(draw).capitalize(),
    lambda draw: f"{_word(draw).capitalize()} {_word(draw).capitalize()}",
    lambda draw: f"{_word(draw)}@{draw.choice(_DOMAINS)}",
    lambda draw: f"https://{draw.choice(('', 'www.'))}{draw.choice(_DOMAINS)}/{_word(draw)}",
    lambda draw: draw.choice(("{%s}", "{{%s}}", ":%s", "%%(%s)s", "@%s", "#%s", "`%s`", "$%s")) % _word(draw),
    lambda draw: draw.choice(("%s", "%d", "%1$s", "%2$s", "{0}", "{1}", "$1", "%@")),
    lambda draw: str(draw.randint(0, 99999)),
    _code,
)


def _known(text: str) -> set[str]:
    return {name for name in _HAN_NAMES if re.search(rf"\b{name}\b", text)}


def _generator(pair: Pair, purpose: str) -> Random:
    return Random(f"{purpose} {pair.source_language} {pair.target_language} {pair.source} {pair.target}")
