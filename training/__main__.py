"""`python -m training train|publish MODEL`: the translation models, from sentence pairs to a folder under models/."""

import argparse
import math
from pathlib import Path

import yaml
from transformers import MarianTokenizer

from training.translation import TranslationConfig, build, from_checkpoint, last_checkpoint, publish, train
from training.translation_card import card, evaluate

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("step", choices=["train", "publish"])
    parser.add_argument("model", help="a model of configs/translation.yaml")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints lie")
    parser.add_argument("--data", type=Path, required=True, help="sentence pairs to train on, or to test with")
    parser.add_argument("--minutes", type=float, default=math.inf)
    given = parser.parse_args()
    entries = yaml.safe_load((ROOT / "configs" / "translation.yaml").read_text(encoding="utf-8"))
    config = TranslationConfig(**entries[given.model])
    if given.step == "train":
        train(given.work, given.data, config, minutes=given.minutes)
    else:
        publish_latest(given.model, given.work, given.data, config)


def publish_latest(name: str, work: Path, tests: Path, config: TranslationConfig) -> None:
    """Publish the last checkpoint of a training, which may still be going on, to models/NAME, with its card."""
    folder = ROOT / "models" / name
    checkpoint = last_checkpoint(work)
    tokenizer: MarianTokenizer = build(work, config)[1]
    publish(from_checkpoint(checkpoint), tokenizer, folder, "")
    scores = evaluate(folder, config.sources, config.targets, tests)
    steps = int(checkpoint.name.rsplit("-", 1)[-1])
    weights = (folder / "model.safetensors").stat().st_size
    facts = {
        "Directions": f"{', '.join(config.sources)} → {', '.join(config.targets)}",
        "Size": f"{weights / 1e6:.1f} MB in fp16; width {config.width}, {config.encoder_layers} + "
        f"{config.decoder_layers} layers, {config.vocabulary} pieces in one vocabulary",
        "Training": f"{steps} steps of {config.batch_pairs} pairs, seed {config.seed}; the published weights are a "
        f"running average (decay {config.average_decay})",
    }
    (folder / "README.md").write_text(card(name, scores, facts), encoding="utf-8")


if __name__ == "__main__":
    main()
