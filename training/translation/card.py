"""What a translation model can do, measured on held-out sentences through the operator that users get, and its card."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.translation.requests import Translate, Translation
from modalities.translation.translator import CTranslate2Translator
from training.translation.examples import simplified
from training.translation.registers import Collections
from training.translation.scores import Row, Score, score, test_sets


def evaluate(folder: Path, sources: Sequence[str], targets: Sequence[str], tests: Sequence[Path]) -> list[Score]:
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
        return [_score(model, *each) for each in (one for where in tests for one in test_sets(where, sources, targets))]


def _score(model: CTranslate2Translator, tests: str, source: str, target: str, rows: Sequence[Row]) -> Score:
    asked = [Translate(model="evaluated", lines=(text,), source=source, target=target) for text, _ in rows]
    # A translation reads and writes no artifact, so that there is no store to give.
    answers = model(asked, cast(Any, None), no_progress)
    said = [answer.lines[0] if isinstance(answer, Translation) else "" for answer in answers]
    if target == "zh":  # in one script: Tatoeba is in traditional characters, other tests in simplified ones
        said = [simplified(text) for text in said]
        rows = [(text, [simplified(reference) for reference in references]) for text, references in rows]
    return score(tests, source, target, rows, said)


def describe_data(folder: Path, collections: Collections) -> str:
    """The collections in a folder with their attributions, grouped by licence, for a model card."""
    names = sorted({path.name.split(".")[0] for path in folder.glob("*.tsv*")})
    by_licence: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if name in collections:
            by_licence[collections[name].licence].append(f"{name} ({collections[name].attribution})")
    others = [name for name in names if name not in collections]
    lines = [f"- {licence}: {'; '.join(by_licence[licence])}" for licence in sorted(by_licence)]
    if others:
        lines.append(f"- {', '.join(others)}: their licence is that of whoever they come from")
    return "Sentence pairs of these collections, by licence:\n\n" + "\n".join(lines)


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
license: other
library_name: transformers
pipeline_tag: translation
---
# {name}

A small Marian model, made by Triptych's own recipe (docs/training.md), so that Triptych can be tried without a hub.
For more, name a larger Marian, M2M100 or NLLB checkpoint in configs/models.yaml.

{known}

## Data
{data}

The test sentences are held out. Whoever passes the weights on names the collections.

## How well it translates
Held-out sentences through the platform's own operator: CTranslate2 in int8, beam 4. sacrebleu, signature
`{scores[0].signature if scores else ""}` (`tok:zh` for Chinese, in simplified characters on both sides). A run-on has
the same word four times in a row.

| direction | tests | BLEU | chrF | sentences | run-ons |
|---|---|---|---|---|---|
{rows}

| direction | original | translation | reference |
|---|---|---|---|
{samples}

## Limits
It is small: names and rare words are replaced by likelier ones, and long sentences lose their way. Scores on `ntrex`
and on the held-out registers say how far it can be trusted. Read what it says before you rely on it.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
