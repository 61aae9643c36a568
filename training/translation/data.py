"""Sentence pairs for translation: read from tab-separated files, given one vocabulary, and turned into token ids."""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from training.pipeline import DataMissing

EOS, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
_NAME = re.compile(r"\.([a-z]{2,3})-([a-z]{2,3})\.tsv(\.gz)?$")
_LONGEST = 100
_RARE = 40_000
"""A pair with fewer sentences is seen up to three times as often, so that it is not drowned."""


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation."""

    source: str
    target: str
    source_language: str
    target_language: str


def read_pairs(folder: Path, sources: Sequence[str], targets: Sequence[str]) -> list[Pair]:
    """Every pair of the wanted directions under `folder`: files named `NAME.xx-yy.tsv` or `.tsv.gz`, one pair a line.

    Raises DataMissing, naming the file, for a line without a tab.
    """
    pairs: list[Pair] = []
    for path in sorted(folder.glob("*.tsv*")):
        found = _NAME.search(path.name)
        if not found:
            continue
        left, right = found.group(1), found.group(2)
        if left in sources and right in targets:
            pairs += [Pair(a, b, left, right) for a, b in _lines(path)]
        elif right in sources and left in targets:
            pairs += [Pair(b, a, right, left) for a, b in _lines(path)]
    if not pairs:
        raise DataMissing(f"{folder} has no sentence pairs for {', '.join(sources)} to {', '.join(targets)}.")
    return pairs


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 2:
                raise DataMissing(f"Line {number} of {path.name} has no tab between the sentence and its translation.")
            if fields[0].strip() and fields[1].strip():
                yield fields[0].strip(), fields[1].strip()


def hold_out(data: Path, folder: Path, sources: Sequence[str], targets: Sequence[str], most: int) -> None:
    """Put up to `most` pairs of each direction aside in `folder`, at most a tenth, chosen by their source sentences."""
    by_direction: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for pair in read_pairs(data, sources, targets):
        by_direction[pair.source_language, pair.target_language].setdefault(pair.source, pair.target)
    folder.mkdir(parents=True)
    for (source, target), pairs in by_direction.items():
        chosen = sorted(pairs, key=lambda text: sha256(text.encode()).digest())[: min(most, len(pairs) // 10 or 1)]
        rows = "".join(f"{text}\t{pairs[text]}\n" for text in chosen)
        (folder / f"held-out.{source}-{target}.tsv").write_text(rows, encoding="utf-8")


def without_held_out(pairs: Sequence[Pair], folder: Path) -> list[Pair]:
    """The pairs none of whose sentences stands on either side of a pair in `folder`."""
    rows = [row for path in folder.glob("*.tsv") for row in _lines(path)]
    aside = {text for row in rows for text in row}
    return [pair for pair in pairs if pair.source not in aside and pair.target not in aside]


def train_vocabulary(pairs: Iterable[Pair], folder: Path, size: int, languages: Sequence[str]) -> None:
    """Write one vocabulary for all languages as MarianTokenizer reads it: source.spm, target.spm, vocab.json."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentences = sorted({text for pair in pairs for text in (pair.source, pair.target)})
    written = BytesIO()  # a file's path would stand in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=size,
        model_type="unigram",
        character_coverage=0.9998,
        byte_fallback=True,
        hard_vocab_limit=False,  # a small collection has fewer pieces
        input_sentence_size=400_000,
        shuffle_input_sentence=True,
        num_threads=2,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(written.getvalue())
    pieces = _processor(folder)
    names = [str(pieces.id_to_piece(number)) for number in range(int(pieces.get_piece_size()))]
    ordered = [EOS, UNKNOWN, *(name for name in names if name not in (EOS, UNKNOWN, "<s>"))]
    ordered += [*(language_token(language) for language in languages), PAD]
    vocabulary = {name: number for number, name in enumerate(ordered)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")


def language_token(language: str) -> str:
    """The first token of a source sentence when a model has several targets, as in the opus-mt models."""
    return f">>{language}<<"


def encode(pairs: Sequence[Pair], folder: Path, several_targets: bool) -> list[dict[str, Any]]:
    """`input_ids` and `labels` of every pair that is not too long; pairs of a rare language stand up to three times."""
    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    processor = _processor(folder)

    def ids(texts: list[str]) -> list[list[int]]:
        pieces: list[list[str]] = processor.encode(texts, out_type=str)
        return [[vocabulary.get(piece, vocabulary[UNKNOWN]) for piece in row] + [vocabulary[EOS]] for row in pieces]

    sources, targets = ids([pair.source for pair in pairs]), ids([pair.target for pair in pairs])
    examples: list[dict[str, Any]] = []
    counts = _counts(pairs)
    for pair, source, target in zip(pairs, sources, targets, strict=True):
        if max(len(source), len(target)) > _LONGEST:
            continue
        start = [vocabulary[language_token(pair.target_language)]] if several_targets else []
        example = {"input_ids": start + source, "labels": target}
        times = min(3, max(1, _RARE // counts[pair.source_language, pair.target_language]))
        examples += [example] * times
    return examples


def _counts(pairs: Iterable[Pair]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for pair in pairs:
        key = pair.source_language, pair.target_language
        counts[key] = counts.get(key, 0) + 1
    return counts


def _processor(folder: Path) -> Any:
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
