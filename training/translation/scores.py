"""BLEU and chrF of translations, and the comparison of two models; needs sacrebleu only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_REPEATED = 4
"""A run of this many equal words is a translation that has lost its way."""

_TOLERATED = 1.0
"""BLEU."""

Row = tuple[str, list[str]]
"""A sentence and its references."""


@dataclass(frozen=True)
class Score:
    """Scores of one direction on one test set; BLEU and chrF from 0 to 100."""

    pair: str
    tests: str
    sentences: int
    bleu: float
    chrf: float
    signature: str
    run_ons: int
    examples: tuple[tuple[str, str, str], ...]


def test_sets(tests: Path, sources: Sequence[str], targets: Sequence[str]) -> Iterator[tuple[str, str, str, list[Row]]]:
    """Name, source language, target language, and rows of each `NAME.en-xx.tsv` of the wanted directions."""
    for path in sorted(tests.glob("*.tsv")):
        name, pair, _ = path.name.rsplit(".", 2)
        left, right = pair.split("-")
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line]
        if left in sources and right in targets:
            yield name, left, right, [(row[0], row[1:]) for row in rows]
        elif right in sources and left in targets:
            yield name, right, left, [(row[1], [row[0]]) for row in rows]


def score(tests: str, source: str, target: str, rows: Sequence[Row], hypotheses: Sequence[str]) -> Score:
    """Score one hypothesis per row. Chinese has to be in one script on both sides."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    most = max(len(references) for _, references in rows)
    references = [[refs[n] if n < len(refs) else None for _, refs in rows] for n in range(most)]
    bleu = BLEU(tokenize="zh" if target == "zh" else "13a")
    shown = range(0, len(rows), max(1, len(rows) // 4))
    return Score(
        pair=f"{source} → {target}",
        tests=tests,
        sentences=len(rows),
        bleu=round(bleu.corpus_score(hypotheses, references).score, 1),  # type: ignore[arg-type]
        chrf=round(CHRF().corpus_score(hypotheses, references).score, 1),  # type: ignore[arg-type]
        signature=str(bleu.get_signature()),
        run_ons=sum(_runs_on(text) for text in hypotheses),
        examples=tuple((rows[n][0], hypotheses[n], rows[n][1][0]) for n in shown)[:4],
    )


def _runs_on(text: str) -> bool:
    words = text.lower().split()
    return any(len(set(words[n : n + _REPEATED])) == 1 for n in range(len(words) - _REPEATED + 1))


def regressions(before: Sequence[Score], after: Sequence[Score]) -> list[str]:
    """Reasons against publishing new weights, one sentence each.

    On Tatoeba BLEU may fall by 1 (the first edition was trained on it alone); on every other test set chrF has to rise.
    """
    found: list[str] = []
    old = {(each.tests, each.pair): each for each in before}
    for new in after:
        was = old.get((new.tests, new.pair))
        if was is None:
            continue
        if new.tests == "tatoeba" and new.bleu < was.bleu - _TOLERATED:
            found.append(f"{new.pair} on {new.tests}: BLEU fell from {was.bleu} to {new.bleu}")
        if new.tests != "tatoeba" and new.chrf <= was.chrf:
            found.append(f"{new.pair} on {new.tests}: chrF went from {was.chrf} to {new.chrf}")
    return found
