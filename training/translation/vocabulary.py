"""Vocabularies shared by all languages of a model: training, extension by missing characters, encoding."""

import json
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

EOS, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
_MODELS = ("source.spm", "target.spm")
_SPACES = (0x09, 0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_NOTHING = (0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF)


def language_token(language: str) -> str:
    """The first token of a source sentence when a model has several targets, as in the opus-mt models."""
    return f">>{language}<<"


def train_vocabulary(
    texts: Iterable[str], folder: Path, size: int, languages: Sequence[str], symbols: Sequence[str] = ()
) -> None:
    """Write one vocabulary as MarianTokenizer reads it: source.spm, target.spm, vocab.json.

    Digits are split, characters outside the vocabulary fall back to bytes, and `symbols` are single pieces.
    """
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    rules = folder / "normalization.tsv"
    rules.write_text("".join(f"{source}\t{target}\n" for source, target in normalization_rules()), encoding="utf-8")
    written = BytesIO()  # a path would be stored in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sorted(set(texts))),
        model_writer=written,
        vocab_size=size,
        model_type="unigram",
        character_coverage=0.9998,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_tsv=str(rules),
        user_defined_symbols=list(symbols),
        hard_vocab_limit=False,  # a small collection has fewer pieces
        input_sentence_size=400_000,
        shuffle_input_sentence=True,
        num_threads=2,
        minloglevel=2,
    )
    rules.unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    names = [str(pieces.id_to_piece(number)) for number in range(int(pieces.get_piece_size()))]
    ordered = [EOS, UNKNOWN, *(name for name in names if name not in (EOS, UNKNOWN, "<s>"))]
    ordered += [language_token(language) for language in languages]
    _write(folder, _without_training_options(written.getvalue()), ordered)


def normalization_rules() -> list[tuple[str, str]]:
    """Normalization rules (hex code points): Unicode spaces, invisible characters, combining accents."""
    rules = [(f"{code:X}", "20") for code in _SPACES] + [(f"{code:X}", "") for code in _NOTHING]
    for code in range(0xC0, 0x250):
        apart = unicodedata.normalize("NFD", chr(code))
        if len(apart) == 2:
            rules.append((" ".join(f"{ord(character):X}" for character in apart), f"{code:X}"))
    return rules


def extend_vocabulary(folder: Path, texts: Iterable[str], least: int, symbols: Sequence[str]) -> list[str]:
    """Add `symbols` and missing characters that occur `least` times in `texts`; return what was added.

    Existing ids do not change, and the padding token is last, as in every Marian vocabulary. The normalization becomes
    `normalization_rules`, so that Chinese punctuation is not folded into ASCII.
    """
    import sentencepiece

    model = _parsed((folder / "source.spm").read_bytes())
    with TemporaryDirectory() as scratch:
        train_vocabulary(["a b c"], Path(scratch), 300, ())
        model.normalizer_spec.CopyFrom(_parsed((Path(scratch) / "source.spm").read_bytes()).normalizer_spec)
    vocabulary = read_vocabulary(folder)
    symbols = [symbol for symbol in symbols if symbol not in vocabulary]
    normalizer = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(str(normalizer.normalize(text)))
    missing = [c for c, count in counts.most_common() if count >= least and c not in vocabulary and not c.isspace()]
    lowest = min(piece.score for piece in model.pieces)
    for name, kind in [(name, 4) for name in symbols] + [(name, 1) for name in missing]:  # user-defined, normal
        piece = model.pieces.add()
        piece.piece, piece.score, piece.type = name, (0.0 if kind == 4 else lowest - 1), kind
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    ordered.remove(PAD)
    _write(folder, model.SerializeToString(), [*ordered, *symbols, *missing])
    return [*symbols, *missing]


def read_vocabulary(folder: Path) -> dict[str, int]:
    """The id of each token."""
    return json.loads((folder / "vocab.json").read_text(encoding="utf-8"))


def copy_vocabulary(folder: Path, into: Path) -> None:
    """Copy the three files of a vocabulary."""
    into.mkdir(parents=True, exist_ok=True)
    for name in (*_MODELS, "vocab.json"):
        shutil.copyfile(folder / name, into / name)


def tokenizer_of(folder: Path) -> Any:
    """The vocabulary as transformers' MarianTokenizer."""
    from transformers import MarianTokenizer

    source, target = (str(folder / name) for name in _MODELS)
    return MarianTokenizer(source_spm=source, target_spm=target, vocab=str(folder / "vocab.json"), model_max_length=256)


class Encoder:
    """Encode texts as token ids."""

    def __init__(self, folder: Path) -> None:
        import sentencepiece

        self._pieces: Any = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
        vocabulary = read_vocabulary(folder)
        unknown = vocabulary[UNKNOWN]
        names = [self._pieces.id_to_piece(number) for number in range(self._pieces.get_piece_size())]
        self._ids = [vocabulary.get(name, unknown) for name in names]

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without end and language tokens."""
        rows: list[list[int]] = self._pieces.encode(list(texts))
        return [[self._ids[number] for number in row] for row in rows]


def _without_training_options(model: bytes) -> bytes:
    """A sentencepiece model without the file paths in its training options."""
    read = _parsed(model)
    read.normalizer_spec.normalization_rule_tsv = ""
    read.trainer_spec.ClearField("input")
    return read.SerializeToString()


def _parsed(model: bytes) -> Any:
    """A sentencepiece model as a protobuf message."""
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2  # the message classes are created at import time
    read = messages.ModelProto()
    read.ParseFromString(model)
    return read


def _write(folder: Path, model: bytes, ordered: Sequence[str]) -> None:
    for name in _MODELS:
        (folder / name).write_bytes(model)
    vocabulary = {name: number for number, name in enumerate([*ordered, PAD])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
