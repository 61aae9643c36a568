"""How well searches keep what is there and refuse what is absent: a curve for each vector space.

Pictures: the captions of data/photos (COCO and tux) in each language among those 85 photos. Passages: three words of
an English news line of data/mt (NTREX) among 250 lines, and the same line in other languages. Absent: the lines of
benchmarks/data/absent_queries.txt, the out-of-scope requests of CLINC150, and the single words of absent_words.txt. Run
from the checkout:

    python -m benchmarks.search_calibration ../shared/data
"""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.pictures import upright_rgb
from modalities.embedding.queries import EncodedQuery, encode_query
from modalities.models.catalogue import load_catalogue
from modalities.models.operators import operator_class
from modalities.models.weights import WeightsLocator
from storage.index.concepts import concept_evidence

Array = NDArray[np.float32]
_LANGUAGES = ("en", "de", "es", "fr", "ru", "zh_CN")
_LOSSES = (0, 1, 2, 3, 5, 8)
_RANK = 10


def main(data: Path) -> None:
    """Print the curves."""
    catalogue = load_catalogue(Path("configs/models.yaml"), "starter")
    absent = Path(__file__).with_name("data").joinpath("absent_queries.txt").read_text(encoding="utf-8").splitlines()
    words = Path(__file__).with_name("data").joinpath("absent_words.txt").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader((data / "classification" / "clinc150.test.csv").open(encoding="utf-8")))
    out_of_scope = [row["text"] for row in rows if row["label"] == "oos"][:40]
    with TemporaryDirectory() as cache:
        locator = WeightsLocator(Path.cwd(), Path(cache), None)
        for model, run in ((catalogue.profile.pictures, _pictures), (catalogue.profile.passages, _passages)):
            spec = catalogue.spec(model)
            operator = operator_class(spec).load(spec, locator.locate(spec))
            print(
                f"\n{model}: queries, R@{_RANK}; absent, out of scope and words refused at a loss of {_LOSSES} points"
            )

            def encode(texts: Sequence[str], operator: Any = operator, spec: Any = spec) -> list[EncodedQuery]:
                return [encode_query(operator, spec, text) for text in texts]

            run(operator, encode, data, [encode(absent), encode(out_of_scope), encode(words)])


def _pictures(operator: Any, encode: Any, data: Path, absent: list[list[EncodedQuery]]) -> None:
    from PIL import Image

    entries = json.loads((data / "photos" / "captions.json").read_text(encoding="utf-8"))
    entries = [entry for entry in entries if entry["file"].startswith(("coco_", "tux_"))]
    prepared = [operator.prepare(upright_rgb(Image.open(data / "photos" / entry["file"]))) for entry in entries]
    batches = [operator.encode_and_recognize(prepared[at : at + 10]) for at in range(0, len(prepared), 10)]
    parts, shown = np.concatenate([rows for rows, _ in batches]), [each for _, batch in batches for each in batch]
    for language in _LANGUAGES:
        wanted = [n for n, entry in enumerate(entries) if entry["captions"].get(language)]
        _curve(language, parts, encode([entries[n]["captions"][language][0] for n in wanted]), wanted, absent, shown)


def _passages(operator: Any, encode: Any, data: Path, absent: list[list[EncodedQuery]]) -> None:
    pairs = {language: _lines(data / "mt" / f"ntrex.en-{language}.tsv") for language in ("de", "fr", "es", "zh")}
    parts = operator._engine.encode([english for english, _ in pairs["de"]], "passage")
    numbers = list(range(len(parts)))
    _curve("three words", parts, encode([_three_words(english) for english, _ in pairs["de"]]), numbers, absent)
    for language, lines in pairs.items():
        _curve(f"{language} → en", parts, encode([other for _, other in lines]), numbers, absent)


def _lines(path: Path) -> list[tuple[str, str]]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row[0], row[1]) for row in rows]


def _three_words(line: str) -> str:
    """The three longest words of a line, in its order."""
    words = [word.strip(".,\"'“”()") for word in line.split()]
    longest = sorted(words, key=len, reverse=True)[:3]
    return " ".join(word for word in words if word in longest)


def _scores(queries: Sequence[EncodedQuery], parts: Array, shown: Sequence[dict[str, float]]) -> Array:
    """The logit of each part for each query, by its vector and by the concepts that it shows."""
    return np.stack([_score(query, np.array(query.vector, np.float32) @ parts.T, shown) for query in queries])


def _score(query: EncodedQuery, cosines: Array, shown: Sequence[dict[str, float]]) -> Array:
    logits = np.min([slope * cosines + shift for slope, shift in query.lines], axis=0)
    named = query.concepts
    evidence = np.array([concept_evidence(named.groups, named.coverage, each) for each in shown])
    probabilities = 1 - (1 - 1 / (1 + np.exp(-logits))) * (1 - evidence) if shown else 1 / (1 + np.exp(-logits))
    return np.log(probabilities) - np.log1p(-probabilities)


def _curve(
    name: str,
    parts: Array,
    queries: Sequence[EncodedQuery],
    right: Sequence[int],
    absent: list[list[EncodedQuery]],
    shown: Sequence[dict[str, float]] = (),
) -> None:
    scores = _scores(queries, parts, shown)
    wanted = scores[np.arange(len(right)), right]
    found = (scores > wanted[:, None]).sum(1) < _RANK
    first = (scores > wanted[:, None]).sum(1) < 1
    best = [_scores(group, parts, shown).max(1) for group in absent]
    kept = np.sort(wanted[found])
    cells: list[str] = []
    for loss in _LOSSES:
        cut = kept[min(round(loss / 100 * len(right)), len(kept) - 1)]
        refused = " ".join(f"{(group < cut).mean():.2f}" for group in best)
        cells.append(f"{refused} (p {1 / (1 + np.exp(-cut)):.2f})")
    usual = float(np.log(0.35 / 0.65))
    shown, dropped = np.median((scores >= usual).sum(1)), found.mean() - (found & (wanted >= usual)).mean()
    at_cut = " ".join(f"{(group < usual).mean():.2f}" for group in best)
    print(f"{name:12} {len(right):4} R@10 {found.mean():.3f} R@1 {first.mean():.3f}  {' | '.join(cells)}")
    print(f"{'':12} at 0.35: {dropped * 100:.1f} points lost, refused {at_cut}, {shown:.0f} shown of {len(parts)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
