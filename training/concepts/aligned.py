"""Find the words of other languages for concepts in texts and their translations.

A word names a concept if an English word for the concept is what its translations share: most texts with the word are
translated by texts with the English one, which has the largest Dice coefficient of all English words. So words are
found as they are inflected, such as Apfel, Äpfel and Äpfeln.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from storage.index.lexemes import stem, tokens
from training.translation.data import read_pairs

Pairs = Iterable[tuple[set[str], set[str]]]
"""The words of English texts, without plural endings, and those of their translations."""
SENTENCES = ("de", "es", "fr", "zh")
"""The languages that there are sentence pairs of."""
_COLLECTIONS = ("tatoeba", "osm-presets", "cldr-names", "african-storybook")
_LONGEST_CHINESE = 4
"""Of a word, in characters. Words of the other languages are one token."""
_LONGEST_NAME = 8
_LEAST_PRECISION, _LEAST_RECALL = 0.45, 0.02


def sentence_pairs(folder: Path, language: str) -> Pairs:
    """The pairs of the collections in everyday words, from files such as `tatoeba.en-de.tsv.gz`."""
    longest = _LONGEST_CHINESE if language == "zh" else 1
    for pair in read_pairs(folder, ["en"], [language]):
        if pair.collection in _COLLECTIONS:
            yield set(map(stem, tokens(pair.source))), set(_phrases(tokens(pair.target), longest))


def emoji_pairs(emojibase: Path, language: str) -> Pairs:
    """The names and tags of each emoji: in English their words, in the other language the whole of each."""
    english, other = _described(emojibase / "en"), _described(emojibase / language)
    for emoji in english.keys() & other.keys():
        words = {stem(token) for text in english[emoji] for token in tokens(text)}
        names = {" ".join(tokens(text)) for text in other[emoji]}
        yield words, {name for name in names if name.count(" ") < _LONGEST_NAME}


def aligned_words(pairs: Pairs, english: Mapping[str, set[str]], fewest: int, least_dice: float) -> dict[str, set[str]]:
    """Return words of a language with their concepts; each is in `fewest` texts or more.

    `english` are the concepts of English words, whose keys are tokens without plural endings.
    """
    texts = list(pairs)
    english_counts = Counter(word for words, _ in texts for word in words)
    counts = Counter(phrase for _, phrases in texts for phrase in phrases)
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, phrases in texts:
        for word in words & english.keys():
            together[word].update(phrases)
    candidates = {
        phrase
        for word, phrases in together.items()
        for phrase, count in phrases.items()
        if count >= max(fewest, _LEAST_RECALL * english_counts[word], _LEAST_PRECISION * counts[phrase])
    }
    translations: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, phrases in texts:
        for phrase in phrases & candidates:
            translations[phrase].update(words)
    found: dict[str, set[str]] = {}
    for phrase, words in translations.items():
        dice = {word: 2 * count / (english_counts[word] + counts[phrase]) for word, count in words.items()}
        best, *others = sorted(dice, key=lambda word: -dice[word])
        is_clear = dice[best] >= least_dice and (not others or dice[best] > dice[others[0]])
        if is_clear and best in english and words[best] >= _LEAST_PRECISION * counts[phrase]:
            found[phrase] = english[best]
    return found


def _described(folder: Path) -> dict[str, list[str]]:
    emoji = json.loads((folder / "compact.json").read_text(encoding="utf-8"))
    return {each["hexcode"]: [each["label"], *each.get("tags", [])] for each in emoji if "hexcode" in each}


def _phrases(words: Sequence[str], longest: int) -> Iterator[str]:
    for length in range(1, longest + 1):
        for at in range(len(words) - length + 1):
            yield " ".join(words[at : at + length])
