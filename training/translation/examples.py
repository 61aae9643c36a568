"""From sentence pairs to training examples: what is held out, what weighs how much, and what is varied."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from training.translation.data import Pair
from training.translation.pack import Pack, PackedPair
from training.translation.registers import OTHER, Registers, is_clean, register_of
from training.translation.variants import copies, masked, names_of, variants
from training.translation.vocabulary import Encoder

_MASKED = 0.5
_COPIES = 3000
_SPOKEN = frozenset({"everyday", "dialogue", OTHER})
_SHORT_WORDS, _SHORT_FACTOR = 2, 3.0
"""Greetings and single words of everyday speech weigh more: there are few, and they are asked for often."""


@dataclass(frozen=True)
class Example:
    """A pair, and how often it is seen in one pass by a training in its direction and in the other."""

    pair: Pair
    weights: tuple[float, float]


def hold_out(pairs: Iterable[Pair], folder: Path, registers: Registers, most: int) -> None:
    """Put up to `most` pairs of each register and direction aside, at most a tenth, chosen by their source sentences.

    They lie in `folder` as held-out.REGISTER.xx-yy.tsv.
    """
    groups: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for pair in pairs:
        if is_clean(pair):
            register = register_of(pair, registers)[0]
            name = "held-out" if register == OTHER else f"held-out.{register}"
            groups[f"{name}.{pair.source_language}-{pair.target_language}.tsv"].setdefault(pair.source, pair.target)
    folder.mkdir(parents=True)
    for name, group in groups.items():
        chosen = sorted(group, key=lambda text: sha256(text.encode()).digest())[: min(most, len(group) // 10 or 1)]
        (folder / name).write_text("".join(f"{text}\t{group[text]}\n" for text in chosen), encoding="utf-8")


def without_held_out(pairs: Iterable[Pair], folders: Sequence[Path]) -> Iterator[Pair]:
    """The pairs none of whose sentences stands on either side of a pair in these folders, but for case and signs."""
    files = [path for folder in folders for path in folder.glob("*.tsv")]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    aside = {_key(text) for line in lines for text in line.split("\t")}
    for pair in pairs:
        if _key(pair.source) not in aside and _key(pair.target) not in aside:
            yield pair


def examples(pairs: Iterable[Pair], registers: Registers) -> Iterator[Example]:
    """The clean pairs, each once, with the weight of their register, their variants, and texts to copy."""
    seen: set[int] = set()
    names: set[str] = set()
    directions: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        directions[pair.source_language, pair.target_language] += 1
        changed = masked(pair, _MASKED)
        if (key := hash(pair)) in seen or not is_clean(changed):
            continue
        seen.add(key)
        register, weight = register_of(pair, registers)
        if register in _SPOKEN and max(len(pair.source.split()), len(pair.target.split())) <= _SHORT_WORDS:
            weight *= _SHORT_FACTOR
        names |= names_of(pair)
        for each in in_scripts(changed, weight):
            yield each
            if each.weights[0]:
                yield from (Example(variant, each.weights) for variant in variants(each.pair))
    for (source, target), count in directions.items():
        some = copies(source, target, min(_COPIES, count // 20), names)
        yield from (Example(pair, (1.0, 1.0)) for pair in some)


def in_scripts(pair: Pair, weight: float) -> list[Example]:
    """Chinese in simplified characters; in traditional ones, too, as a source, so that both are read."""
    side = "source" if pair.source_language == "zh" else "target" if pair.target_language == "zh" else None
    if side is None:
        return [Example(pair, (weight, weight))]
    text = getattr(pair, side)
    simple = simplified(text)
    if simple == text:
        return [Example(pair, (weight, weight))]
    read, said = (weight / 2, weight) if side == "source" else (weight, weight / 2)
    of_traditional = (weight / 2, 0.0) if side == "source" else (0.0, weight / 2)
    return [Example(replace(pair, **{side: simple}), (read, said)), Example(pair, of_traditional)]


def pack(rows: Iterable[Example], encoder: Encoder, languages: Sequence[str], longest: int) -> Pack:
    """The examples as token ids; those of more than `longest` tokens on a side are left out."""

    def packed() -> Iterator[PackedPair]:
        remaining = iter(rows)
        while some := list(islice(remaining, 20_000)):
            sources = encoder([row.pair.source for row in some])
            targets = encoder([row.pair.target for row in some])
            for row, source, target in zip(some, sources, targets, strict=True):
                if source and target and max(len(source), len(target)) <= longest:
                    between = languages.index(row.pair.source_language), languages.index(row.pair.target_language)
                    yield PackedPair(source, target, between, row.weights)

    return Pack.of(packed(), languages)


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold()) or text


def simplified(text: str) -> str:
    """Chinese in simplified characters."""
    return _converter().convert(text)


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
