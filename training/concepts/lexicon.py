"""Make the lexicon of concepts: which words of many languages name which synsets over the classes of ImageNet."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from modalities.embedding.concepts import lexicon_key
from training.concepts.aligned import SENTENCES, aligned_words, emoji_pairs, sentence_pairs
from training.concepts.wordnet import WordNet, class_synsets, classes_below

_SENSES = 2
"""Only the most frequent senses of a word count, and those that are a class themselves."""
_MOST_CLASSES = 420
"""More general synsets, such as `artifact`, tell nothing."""
_NO_CONCEPTS = ("person.n.01",)
"""The classes know three kinds of people, so nothing can be said of people."""
_FEWEST_SENTENCES, _FEWEST_EMOJI, _LEAST_DICE_EMOJI = 3, 2, 0.6
_NOT_ALIGNED = ("bn", "en", "en-gb", "hi")
"""English, and the languages whose letters our tokens have without the signs that tell them apart."""
_ELSEWHERE = ("de", "es", "fr", "it", "nl", "pt")
"""The languages whose words mean what they mean there in every query that is not English, if they are no mere tags."""
Words = Mapping[str, set[str]]
_OTHERWISE_MEANT = (
    "water top front back side way hand head face body light color way part group set people piece our system gas "
    "stand top cover end board tag being whole unit line band case bank record bill spring work point weight mail "
    "stage produce drop wear cell ride file rule shape spot site press tissue beam institution staff sweet attribute "
    "comfort scope painter vertical wreck killer grand upright punch pick stole afters feed"
)
"""Words that in a query rarely mean the thing that they can name."""


def make_lexicon(
    wordnet: WordNet, emojibase: Path, sentences: Path | None = None
) -> dict[str, dict[str, list[int] | list[str]]]:
    """Return the classes of each concept, and the concepts of each word.

    The words are the lemmas of WordNet; in the other languages of the npm package emojibase-data, the emoji whose
    English names WordNet knows, their names, and words that are aligned with English ones in names and tags; and words
    that are aligned in pairs of sentences. Words of other languages that mean something else in English are apart: beer
    is a bear in Dutch alone.
    """
    classes = class_synsets(wordnet)
    below = classes_below(wordnet, classes)
    concepts = _concepts(wordnet, below)
    words: defaultdict[str, set[str]] = defaultdict(set)
    for lemma in wordnet.senses:
        named = _senses(wordnet, lemma, concepts, set(classes))
        if named and lemma not in _OTHERWISE_MEANT.split():
            words[lexicon_key(lemma)] |= named
    english = {word: names for word, names in words.items() if " " not in word}
    concepts_of_english, elsewhere = frozenset(words), dict[str, set[str]]()
    common = {lexicon_key(lemma) for lemma in wordnet.common_lemmas}
    senses = partial(_senses, wordnet, concepts=concepts, classes=set(classes))
    languages = [folder.name for folder in sorted(emojibase.iterdir()) if (folder / "compact.json").exists()]
    sources = [(language, _emoji_names(emojibase, language, senses)) for language in languages]
    if sentences:
        sources += [(language, _sentence_words(sentences, english, language)) for language in SENTENCES]
    sources += [("", _emoji_words(emojibase, english, each)) for each in languages if each not in _NOT_ALIGNED]
    for language, found in sources:
        for name, named in found:
            word = lexicon_key(name)
            is_english = word in common or word in concepts_of_english
            target = elsewhere if is_english else words
            if word and word not in target and (language in _ELSEWHERE or not is_english):
                target[word] = named
    used = sorted({name for names in (*words.values(), *elsewhere.values()) for name in names})
    by_name = {name: below[offset] for offset, name in concepts.items()}
    return {
        "classes": {name: sorted(by_name[name]) for name in used},
        "words": {word: sorted(names) for word, names in sorted(words.items()) if word},
        "elsewhere": {word: sorted(names) for word, names in sorted(elsewhere.items()) if names != words.get(word)},
    }


def write_lexicon(path: Path, lexicon: dict[str, dict[str, list[int] | list[str]]]) -> None:
    """Write the lexicon, a line for each of its tables."""
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


def _emoji_names(folder: Path, language: str, senses: Callable[[str], set[str]]) -> Iterator[tuple[str, set[str]]]:
    """The emoji that WordNet knows by their English names, and their names in a language, each with its concepts."""
    names, others = _names(folder / "en"), _names(folder / language)
    for emoji, english in names.items():
        named = senses(english.lower().removesuffix(" face"))
        if named and emoji in others:
            yield chr(int(emoji.split("-")[0], 16)), named
            yield others[emoji], named


def _sentence_words(folder: Path, english: Words, language: str) -> Iterable[tuple[str, set[str]]]:
    return aligned_words(sentence_pairs(folder, language), english, _FEWEST_SENTENCES, 0.0).items()


def _emoji_words(folder: Path, english: Words, language: str) -> Iterable[tuple[str, set[str]]]:
    return aligned_words(emoji_pairs(folder, language), english, _FEWEST_EMOJI, _LEAST_DICE_EMOJI).items()


def _names(folder: Path) -> dict[str, str]:
    emoji = json.loads((folder / "compact.json").read_text(encoding="utf-8"))
    return {each["hexcode"]: each["label"] for each in emoji if "hexcode" in each}
