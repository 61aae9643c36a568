"""What a translation model can do, measured on held-out sentences through the operator that users get, and its card."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from pydantic import BaseModel

from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.translation.translator import CTranslate2Translator, Translate, Translation

_REPEATED = 4
"""A run of this many equal words is a translation that has lost its way."""


class Score(BaseModel):
    """How close the translations of one direction come to the references; BLEU and chrF from 0 to 100."""

    pair: str
    tests: str
    sentences: int
    bleu: float
    chrf: float
    signature: str
    run_ons: int
    examples: list[tuple[str, str, str]]


def evaluate(folder: Path, sources: Sequence[str], targets: Sequence[str], tests: Path) -> list[Score]:
    """Translate every sentence of the wanted directions in the `*.xx-yy.tsv` under `tests`, in int8 with beam 4."""
    spec = ModelSpec(
        name=folder.name,
        operator="ctranslate2",
        source=Source(folder=str(folder)),
        licence="CC-BY-2.0",
        device="cpu",
        options={"sources": list(sources), "targets": list(targets)},
    )
    with TemporaryDirectory(prefix="triptych-") as cache:
        weights = Weights(folders=(folder,), digest="evaluated", cache=Path(cache))
        model = CTranslate2Translator.load(spec, weights)
        return [_score(model, *direction) for direction in _directions(tests, sources, targets)]


def _directions(
    tests: Path, sources: Sequence[str], targets: Sequence[str]
) -> Iterator[tuple[str, str, str, list[tuple[str, list[str]]]]]:
    """Name, source language, target language, and sentences with their references; files are `NAME.en-xx.tsv`."""
    for path in sorted(tests.glob("*.tsv")):
        name, pair, _ = path.name.rsplit(".", 2)
        left, right = pair.split("-")
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line]
        if left in sources and right in targets:
            yield name, left, right, [(row[0], row[1:]) for row in rows]
        elif right in sources and left in targets:
            yield name, right, left, [(row[1], [row[0]]) for row in rows]


def _score(
    model: CTranslate2Translator, tests: str, source: str, target: str, rows: list[tuple[str, list[str]]]
) -> Score:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    asked = [Translate(model="evaluated", lines=(text,), source=source, target=target) for text, _ in rows]
    # A translation reads and writes no artifact, so that there is no store to give.
    answers = model(asked, cast(Any, None), no_progress)
    said = [answer.lines[0] if isinstance(answer, Translation) else "" for answer in answers]
    most = max(len(references) for _, references in rows)
    references: list[Any] = [[refs[n] if n < len(refs) else None for _, refs in rows] for n in range(most)]
    bleu = BLEU(tokenize="zh" if target == "zh" else "13a")
    return Score(
        pair=f"{source} → {target}",
        tests=tests,
        sentences=len(rows),
        bleu=round(bleu.corpus_score(said, references).score, 1),
        chrf=round(CHRF().corpus_score(said, references).score, 1),
        signature=str(bleu.get_signature()),
        run_ons=sum(_runs_on(text) for text in said),
        examples=[(rows[n][0], said[n], rows[n][1][0]) for n in range(0, len(rows), max(1, len(rows) // 4))][:4],
    )


def _runs_on(text: str) -> bool:
    words = text.lower().split()
    return any(len(set(words[n : n + _REPEATED])) == 1 for n in range(len(words) - _REPEATED + 1))


def describe_data(folder: Path) -> str:
    """Where the sentence pairs in a folder come from, for a card."""
    names = sorted({path.name.split(".")[0] for path in folder.glob("*.tsv*")})
    if names == ["tatoeba"]:
        return "Sentence pairs of Tatoeba (tatoeba.org) as manythings.org/anki collects them, CC BY 2.0 FR."
    return f"Sentence pairs: {', '.join(names)}. Their licence is that of whoever they come from."


def card(name: str, scores: Sequence[Score], facts: Mapping[str, str], data: str) -> str:
    """The model card, in Markdown with the metadata that hubs read."""
    rows = "\n".join(f"| {s.pair} | {s.tests} | {s.bleu} | {s.chrf} | {s.sentences} | {s.run_ons} |" for s in scores)
    samples = "\n".join(
        f"| {s.pair} | {_cell(text)} | {_cell(said)} | {_cell(reference)} |"
        for s in scores
        for text, said, reference in s.examples
    )
    known = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    return f"""---
license: cc-by-2.0
library_name: transformers
pipeline_tag: translation
---
# {name}

A small Marian model for short everyday sentences, made by Triptych's own recipe, `triptych train {name}`, so that
Triptych can be tried without a hub. For more, name a larger Marian, M2M100 or NLLB checkpoint in configs/models.yaml.

{known}

## Data
{data} The test sentences are held out.

## How well it translates
Held-out sentences through the platform's own operator: CTranslate2 in int8, beam 4. sacrebleu, signature
`{scores[0].signature if scores else ""}` (`tok:zh` for Chinese). A run-on has the same word {_REPEATED} times in a row.

| direction | tests | BLEU | chrF | sentences | run-ons |
|---|---|---|---|---|---|
{rows}

| direction | original | translation | reference |
|---|---|---|---|
{samples}

## Limits
It has seen sentences of some ten words about daily life. News, long sentences, names and numbers come out worse, and
rare words are replaced by likelier ones. Read what it says before you rely on it.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
