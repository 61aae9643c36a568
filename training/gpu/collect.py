"""Join shards into model folders and compare them with the published models, on a CPU machine.

python -m training.gpu.collect --shards FOLDER --data ../shared/data/mt-train --tests ../shared/data/mt [--publish]
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from modalities.contract import Weights
from modalities.translation.conversion import READY, converted_folder
from storage.atomic_files import atomic_write
from training.gpu.plan import ATTENTION, HELD_OUT, VOCABULARY, Direction, TrainingPlan
from training.gpu.prepare import BUNDLE
from training.gpu.shards import read_shards
from training.pipeline import TrainingError
from training.translation.card import card, describe_data, evaluate
from training.translation.registers import read_collections
from training.translation.scores import Score, regressions
from training.translation.vocabulary import read_vocabulary
from training.translation.weights import WEIGHTS, build, save, with_average


def collect(name: str, shards: Path, bundle: Path, into: Path) -> TrainingPlan:
    """Write the model `name` to `into`: safetensors in fp16, and the int8 form of CTranslate2 in a subfolder."""
    plan = TrainingPlan.read(bundle)
    average, _ = read_shards(name, shards)
    model = build(plan.shape, read_vocabulary(bundle / VOCABULARY), plan.training.seed, ATTENTION)
    with atomic_write(into) as folder:
        save(with_average(model, average), bundle / VOCABULARY, folder)
        weights = Weights(folders=(folder,), digest=name, cache=into.parent / f".{name}")
        shutil.move(converted_folder(name, weights, "int8"), folder / READY)
        shutil.rmtree(weights.cache)
    return plan


def publish(name: str, folder: Path, models: Path) -> None:
    """Replace the published model; without the fp16 weights, as the int8 form has half their size."""
    with atomic_write(models / name) as unfinished:
        shutil.copytree(folder, unfinished, ignore=shutil.ignore_patterns(WEIGHTS))


def model_card(name: str, folder: Path, shards: Path, data: str, scores: Sequence[Score], plan: TrainingPlan) -> str:
    """The model card; `data` describes the training data."""
    direction, shape, given = plan.directions[name], plan.shape, plan.training
    _, report = read_shards(name, shards)
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
    """Parse arguments, collect, evaluate, and publish the models that pass the gate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path, required=True, help="what the GPU machine wrote to --out")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--tests", type=Path, required=True, help="test sets, NAME.en-xx.tsv")
    parser.add_argument("--data", type=Path, required=True, help="the sentence pairs, to name them in the card")
    parser.add_argument("--configs", type=Path, default=Path("configs"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--into", type=Path, default=Path(".triptych/training/gpu"))
    parser.add_argument("--publish", action="store_true", help="replace the models that pass the gate")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    data = describe_data(given.data, read_collections(given.configs / "translation-sources.yaml"))
    for name, direction in TrainingPlan.read(given.bundle).directions.items():
        folder = given.into / name
        plan = collect(name, given.shards, given.bundle, folder)
        scores = _evaluate(folder, direction, given.tests, given.bundle / HELD_OUT)
        (folder / "README.md").write_text(model_card(name, folder, given.shards, data, scores, plan), "utf-8")
        failed = regressions(_evaluate(given.models / name, direction, given.tests), scores)
        for line in failed:
            _log(f"{name}: {line}")
        if given.publish and not failed:
            publish(name, folder, given.models)
            _log(f"{name}: published in {given.models}")


def _evaluate(folder: Path, direction: Direction, *tests: Path) -> list[Score]:
    scores = evaluate(folder, direction.sources, direction.targets, tests)
    if not scores:
        raise TrainingError(f"There are no test sets for {folder.name}: give --tests DIR with NAME.en-xx.tsv files.")
    for each in scores:
        _log(f"{folder}: {each.tests} {each.pair}: BLEU {each.bleu}, chrF {each.chrf}")
    return scores


def _log(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
