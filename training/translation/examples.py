"""Training examples from sentence pairs: held-out sets, weights, augmentation, and packing."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from training.translation.augmentation import augmentations, copied_texts, names_of, with_placeholders
from training.translation.data import Pair
from training.translation.pack import EncodedPair, PackedPairs
from training.translation.registers import OTHER, Registers, is_clean, register_of
from training.translation.vocabulary import Encoder

_PLACEHOLDER_SHARE = 0.5
_COPIES = 3000
_SPOKEN = frozenset({"everyday", "dialogue", OTHER})
_SHORT_WORDS, _SHORT_FACTOR = 2, 3.0
"""Greetings and single words are oversampled: they are rare in the data and frequent in use."""


@dataclass(frozen=True)
class Example:
    """A pair with its sampling weights per epoch, for a training in its direction and in the reverse one."""

    pair: Pair
    weights: tuple[float, float]


def hold_out(pairs: Iterable[Pair], folder: Path, registers: Registers, most: int) -> None:
    """Write up to `most` pairs of each register and direction, a tenth at most, to held-out.REGISTER.xx-yy.tsv.

    Pairs are chosen by the hash of their source sentence.
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
    """The pairs without those whose source or target occurs in these folders; case and punctuation are ignored."""
    files = [path for folder in folders for path in folder.glob("*.tsv")]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    aside = {_key(text) for line in lines for text in line.split("\t")}
    for pair in pairs:
        if _key(pair.source) not in aside and _key(pair.target) not in aside:
            yield pair


def examples(pairs: Iterable[Pair], registers: Registers) -> Iterator[Example]:
    """Deduplicated clean pairs weighted by register, their augmentations, and texts to copy."""
    seen: set[int] = set()
    names: set[str] = set()
    directions: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        directions[pair.source_language, pair.target_language] += 1
        changed = with_placeholders(pair, _PLACEHOLDER_SHARE)
        key = hash((pair.source, pair.target, pair.source_language, pair.target_language))
        if key in seen or not is_clean(changed):
            continue
        seen.add(key)
        register, weight = register_of(pair, registers)
        if register in _SPOKEN and max(len(pair.source.split()), len(pair.target.split())) <= _SHORT_WORDS:
            weight *= _SHORT_FACTOR
        names |= names_of(pair)
        for each in in_scripts(changed, weight):
            yield each
            if each.weights[0]:
                yield from (Example(variant, each.weights) for variant in augmentations(each.pair))
    for (source, target), count in directions.items():
        some = copied_texts(source, target, min(_COPIES, count // 20), names)
        yield from (Example(pair, (1.0, 1.0)) for pair in some)


def in_scripts(pair: Pair, weight: float) -> list[Example]:
    """Chinese targets in simplified characters, Chinese sources in both scripts with half of the weight each."""
    side = "source" if pair.source_language == "zh" else "target" if pair.target_language == "zh" else None
    if side is None:
        return [Example(pair, (weight, weight))]
    text = getattr(pair, side)
    simple = simplified(text)
    if simple == text:
        return [Example(pair, (weight, weight))]
    half = (weight / 2, weight) if side == "source" else (weight, weight / 2)
    only_source = (weight / 2, 0.0) if side == "source" else (0.0, weight / 2)
    return [Example(replace(pair, **{side: simple}), half), Example(pair, only_source)]


def pack_examples(rows: Iterable[Example], encoder: Encoder, languages: Sequence[str], longest: int) -> PackedPairs:
    """Encode the examples; those with more than `longest` tokens on a side are left out."""

    def packed() -> Iterator[EncodedPair]:
        remaining = iter(rows)
        while some := list(islice(remaining, 20_000)):
            sources = encoder([row.pair.source for row in some])
            targets = encoder([row.pair.target for row in some])
            for row, source, target in zip(some, sources, targets, strict=True):
                if source and target and max(len(source), len(target)) <= longest:
                    between = languages.index(row.pair.source_language), languages.index(row.pair.target_language)
                    yield EncodedPair(source, target, between, row.weights)

    return PackedPairs.of(packed(), languages)


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold()) or text


def simplified(text: str) -> str:
    """Chinese in simplified characters."""
    return _converter().convert(text)


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
