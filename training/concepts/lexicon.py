"""Make the lexicon of concepts: which words of many languages name which synsets over the classes of ImageNet."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from modalities.embedding.concepts import lexicon_key
from training.concepts.wordnet import WordNet, class_synsets, classes_below

_SENSES = 2
"""Only the most frequent senses of a word count, and those that are a class themselves."""
_MOST_CLASSES = 420
"""More general synsets, such as `artifact`, tell nothing."""
_NO_CONCEPTS = ("person.n.01",)
"""The classes know three kinds of people, so nothing can be said of people."""
_OTHERWISE_MEANT = (
    "water top front back side way hand head face body light color way part group set people piece our system gas "
    "stand top cover end board tag being whole unit line band case bank record bill spring"
)
"""Words that in a query rarely mean the thing that they can name."""


def make_lexicon(wordnet: WordNet, emojibase: Path) -> dict[str, dict[str, list[int] | list[str]]]:
    """Return the classes of each concept, and the concepts of each word.

    The words are the lemmas of WordNet and, in the other languages of the npm package emojibase-data, the names of the
    emoji whose English names WordNet knows.
    """
    classes = class_synsets(wordnet)
    below = classes_below(wordnet, classes)
    concepts = _concepts(wordnet, below)
    words: defaultdict[str, set[str]] = defaultdict(set)
    for lemma in wordnet.senses:
        named = _senses(wordnet, lemma, concepts, set(classes))
        if named and lemma not in _OTHERWISE_MEANT.split():
            words[lexicon_key(lemma)] |= named
    for name, named in _emoji_names(emojibase, wordnet, concepts, set(classes)):
        if lexicon_key(name) not in words:
            words[lexicon_key(name)] |= named
    used = sorted({name for names in words.values() for name in names})
    by_name = {name: below[offset] for offset, name in concepts.items()}
    return {
        "classes": {name: sorted(by_name[name]) for name in used},
        "words": {word: sorted(names) for word, names in sorted(words.items()) if word},
    }


def write_lexicon(path: Path, lexicon: dict[str, dict[str, list[int] | list[str]]]) -> None:
    """Write the lexicon, a line for each of its two tables."""
    tables = [f'"{key}": {json.dumps(table, ensure_ascii=False)}' for key, table in lexicon.items()]
    path.write_text("{" + ",\n".join(tables) + "}\n", encoding="utf-8")


def _concepts(wordnet: WordNet, below: dict[str, frozenset[int]]) -> dict[str, str]:
    """The names of the synsets that are concepts, by offset; of several with the same classes, the most special's."""
    excluded = {offset for offset in below if wordnet.name(offset) in _NO_CONCEPTS}
    names: dict[frozenset[int], str] = {}
    concepts: dict[str, str] = {}
    for offset in sorted(below, key=lambda offset: -len(list(wordnet.ancestors(offset)))):
        if len(below[offset]) <= _MOST_CLASSES and not excluded & set(wordnet.ancestors(offset)):
            concepts[offset] = names.setdefault(below[offset], wordnet.name(offset))
    return concepts


def _senses(wordnet: WordNet, lemma: str, concepts: dict[str, str], classes: set[str]) -> set[str]:
    offsets = wordnet.senses.get(lemma, [])
    chosen = [*offsets[:_SENSES], *(offset for offset in offsets if offset in classes)]
    return {concepts[offset] for offset in chosen if offset in concepts}


def _emoji_names(
    folder: Path, wordnet: WordNet, concepts: dict[str, str], classes: set[str]
) -> Iterable[tuple[str, set[str]]]:
    """The names of emoji in every language, each with its concepts."""
    names = {path.parent.name: _names(path) for path in sorted(folder.glob("*/compact.json"))}
    for emoji, english in names["en"].items():
        named = _senses(wordnet, english.lower(), concepts, classes)
        for of_language in names.values() if named else ():
            if emoji in of_language:
                yield of_language[emoji], named


def _names(path: Path) -> dict[str, str]:
    emoji = json.loads(path.read_text(encoding="utf-8"))
    return {each["hexcode"]: each["label"] for each in emoji if "hexcode" in each}
