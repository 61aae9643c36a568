"""Build the training bundle from sentence pairs, on a CPU machine.

python -m training.gpu.prepare --data ../shared/data/mt-train --tests ../shared/data/mt
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import yaml
from pydantic import BaseModel, ConfigDict

from storage.atomic_files import atomic_write
from training.gpu.plan import HELD_OUT, PAIRS, TESTS, VOCABULARY, Direction, Training, TrainingPlan
from training.translation.augmentation import PLACEHOLDERS
from training.translation.data import read_pairs
from training.translation.examples import Example, examples, hold_out, pack_examples, simplified, without_held_out
from training.translation.registers import Registers, read_registers
from training.translation.vocabulary import Encoder, train_vocabulary
from training.translation.weights import Shape

BUNDLE = Path("training/gpu/bundle")


class GpuConfig(BaseModel):
    """configs/translation-gpu.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: tuple[str, ...]
    directions: dict[str, Direction]
    vocabulary: int
    shape: Shape
    passes: float
    held_out: int
    training: Training


def prepare(data: Path, tests: Path | None, into: Path, config: GpuConfig, registers: Registers) -> int:
    """Write the bundle and return the number of packed pairs, whose source is the first language."""
    with atomic_write(into) as folder:
        folder.mkdir()
        pairs = read_pairs(data, config.languages[:1], config.languages[1:])
        hold_out(pairs, folder / HELD_OUT, registers, config.held_out)
        apart = [folder / HELD_OUT, *([tests] if tests else [])]
        rows = list(_thinned(examples(without_held_out(pairs, apart), registers), config.passes))
        del pairs
        texts = {text for row in rows for text in (row.pair.source, row.pair.target)}
        train_vocabulary(texts, folder / VOCABULARY, config.vocabulary, config.languages, PLACEHOLDERS)
        packed = pack_examples(rows, Encoder(folder / VOCABULARY), config.languages, config.training.longest)
        packed.write(folder / PAIRS)
        (folder / TESTS).mkdir()
        for path in tests.glob("*.tsv") if tests else []:
            text = path.read_text(encoding="utf-8")
            # The machine with the GPU has no OpenCC.
            (folder / TESTS / path.name).write_text(simplified(text) if "-zh." in path.name else text, encoding="utf-8")
        TrainingPlan(config.directions, config.shape, config.training).write(folder)
    return len(packed)


def _thinned(rows: Iterable[Example], passes: float) -> Iterator[Example]:
    """Drop examples that `passes` epochs would not sample, to save space; expected counts stay the same."""
    draw = Random("thinned")
    for row in rows:
        seen = max(row.weights) * passes
        if seen >= 1:
            yield row
        elif draw.random() < seen:
            forward, back = (weight / seen for weight in row.weights)
            yield Example(row.pair, (forward, back))


def read_config(configs: Path) -> GpuConfig:
    """configs/translation-gpu.yaml."""
    return GpuConfig.model_validate(yaml.safe_load((configs / "translation-gpu.yaml").read_text(encoding="utf-8")))


def main() -> None:
    """Read the arguments and prepare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="sentence pairs, NAME.en-xx.tsv.gz")
    parser.add_argument("--tests", type=Path, help="test sets, NAME.en-xx.tsv: never trained on")
    parser.add_argument("--configs", type=Path, default=Path("configs"))
    parser.add_argument("--into", type=Path, default=BUNDLE)
    given = parser.parse_args()
    registers = read_registers(given.configs / "translation-registers.yaml")
    count = prepare(given.data, given.tests, given.into, read_config(given.configs), registers)
    size = sum(path.stat().st_size for path in given.into.rglob("*") if path.is_file())
    sys.stdout.write(f"{count} pairs, {size / 2**20:.1f} MiB in {given.into}\n")


if __name__ == "__main__":
    main()
