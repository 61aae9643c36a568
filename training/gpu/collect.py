"""Collect on a machine with CPUs: parts become a model folder, measured against the published one.

python -m training.gpu.collect --parts FOLDER --data ../shared/data/mt-train --tests ../shared/data/mt [--publish]
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from modalities.contract import Weights
from modalities.translation.conversion import READY, converted_folder
from storage.atomic_files import atomic_write
from training.gpu.parts import read_parts
from training.gpu.plan import ATTENTION, HELD_OUT, VOCABULARY, Direction, Plan
from training.gpu.prepare import CARRIED
from training.pipeline import TrainingError
from training.translation.card import card, describe_data, evaluate
from training.translation.registers import read_collections
from training.translation.scores import Score, shortcomings
from training.translation.vocabulary import read_vocabulary
from training.translation.weights import WEIGHTS, averaged, build, save


def collect(name: str, parts: Path, carried: Path, into: Path) -> Plan:
    """Write the model `name` to `into`: safetensors in fp16, and CTranslate2's int8 form in a folder of its own."""
    plan = Plan.read(carried)
    average, _ = read_parts(name, parts)
    model = build(plan.shape, read_vocabulary(carried / VOCABULARY), plan.training.seed, ATTENTION)
    with atomic_write(into) as folder:
        save(averaged(model, average), carried / VOCABULARY, folder)
        weights = Weights(folders=(folder,), digest=name, cache=into.parent / f".{name}")
        shutil.move(converted_folder(name, weights, "int8"), folder / READY)
        shutil.rmtree(weights.cache)
    return plan


def publish(name: str, folder: Path, models: Path) -> None:
    """Put a model where the catalogue looks for it, without the fp16 weights: int8 alone is half their size."""
    with atomic_write(models / name) as unfinished:
        shutil.copytree(folder, unfinished, ignore=shutil.ignore_patterns(WEIGHTS))


def describe(name: str, folder: Path, parts: Path, data: str, scores: Sequence[Score], plan: Plan) -> str:
    """The model card; `data` says what it was trained on."""
    direction, shape, given = plan.directions[name], plan.shape, plan.training
    _, report = read_parts(name, parts)
    size = (folder / READY / "model.bin").stat().st_size
    facts = {
        "Directions": f"{', '.join(direction.sources)} → {', '.join(direction.targets)}",
        "Size": f"{size / 1e6:.1f} MB in int8; width {shape.width}, {shape.encoder_layers} + {shape.decoder_layers} "
        f"layers, {len(read_vocabulary(folder))} pieces in one vocabulary",
        "Training": f"{report['steps']} steps of up to {given.batch_tokens} tokens on {report['device']}, seed "
        f"{given.seed}, by training/gpu",
    }
    return card(name, scores, facts, data)


def main() -> None:
    """Read the arguments, collect, measure, and publish what passes the gate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=Path, required=True, help="what came back from the GPU")
    parser.add_argument("--carried", type=Path, default=CARRIED)
    parser.add_argument("--tests", type=Path, required=True, help="test sets, NAME.en-xx.tsv")
    parser.add_argument("--data", type=Path, required=True, help="the sentence pairs, to name them in the card")
    parser.add_argument("--configs", type=Path, default=Path("configs"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--into", type=Path, default=Path(".triptych/training/gpu"))
    parser.add_argument("--publish", action="store_true", help="replace the models that pass the gate")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    data = describe_data(given.data, read_collections(given.configs / "translation-sources.yaml"))
    for name, direction in Plan.read(given.carried).directions.items():
        folder = given.into / name
        plan = collect(name, given.parts, given.carried, folder)
        scores = _measure(folder, direction, given.tests, given.carried / HELD_OUT)
        (folder / "README.md").write_text(describe(name, folder, given.parts, data, scores, plan), "utf-8")
        failed = shortcomings(_measure(given.models / name, direction, given.tests), scores)
        for line in failed:
            _say(f"{name}: {line}")
        if given.publish and not failed:
            publish(name, folder, given.models)
            _say(f"{name}: published in {given.models}")


def _measure(folder: Path, direction: Direction, *tests: Path) -> list[Score]:
    scores = evaluate(folder, direction.sources, direction.targets, tests)
    if not scores:
        raise TrainingError(f"There are no test sets for {folder.name}: give --tests DIR with NAME.en-xx.tsv files.")
    for each in scores:
        _say(f"{folder}: {each.tests} {each.pair}: BLEU {each.bleu}, chrF {each.chrf}")
    return scores


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
