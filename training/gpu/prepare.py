"""Prepare on a machine with CPUs: sentence pairs become one folder that the GPU trains on.

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
from training.gpu.plan import HELD_OUT, PAIRS, TESTS, VOCABULARY, Direction, Plan, Training
from training.translation.data import read_pairs
from training.translation.examples import Example, examples, hold_out, pack, simplified, without_held_out
from training.translation.registers import Registers, read_registers
from training.translation.variants import MASKS
from training.translation.vocabulary import Encoder, train_vocabulary
from training.translation.weights import Shape

CARRIED = Path("training/gpu/carried")


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
    """Write the folder that travels; gives the number of packed pairs. In all of them English is the source."""
    with atomic_write(into) as folder:
        folder.mkdir()
        pairs = read_pairs(data, config.languages[:1], config.languages[1:])
        hold_out(pairs, folder / HELD_OUT, registers, config.held_out)
        apart = [folder / HELD_OUT, *([tests] if tests else [])]
        rows = list(_thinned(examples(without_held_out(pairs, apart), registers), config.passes))
        del pairs
        texts = {text for row in rows for text in (row.pair.source, row.pair.target)}
        train_vocabulary(texts, folder / VOCABULARY, config.vocabulary, config.languages, MASKS)
        packed = pack(rows, Encoder(folder / VOCABULARY), config.languages, config.training.longest)
        packed.write(folder / PAIRS)
        (folder / TESTS).mkdir()
        for path in tests.glob("*.tsv") if tests else []:
            text = path.read_text(encoding="utf-8")
            # The machine with the GPU has no OpenCC.
            (folder / TESTS / path.name).write_text(simplified(text) if "-zh." in path.name else text, encoding="utf-8")
        Plan(config.directions, config.shape, config.training).write(folder)
    return len(packed)


def _thinned(rows: Iterable[Example], passes: float) -> Iterator[Example]:
    """Rows as often as `passes` would see them: of those to be seen less than once, as many as will be seen at all."""
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
    parser.add_argument("--into", type=Path, default=CARRIED)
    given = parser.parse_args()
    registers = read_registers(given.configs / "translation-registers.yaml")
    count = prepare(given.data, given.tests, given.into, read_config(given.configs), registers)
    size = sum(path.stat().st_size for path in given.into.rglob("*") if path.is_file())
    sys.stdout.write(f"{count} pairs, {size / 2**20:.1f} MiB in {given.into}\n")


if __name__ == "__main__":
    main()
