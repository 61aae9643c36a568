"""What every training recipe writes: the loss log."""

import json
from pathlib import Path

from training.pipeline import read_losses, truncate_partial_line


def test_a_partial_line_of_a_killed_run_does_not_affect_other_losses(tmp_path: Path) -> None:
    log = tmp_path / "losses.jsonl"
    log.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    assert read_losses(log) == {"model": {1: 0.5}}
    truncate_partial_line(log)
    with log.open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 0.25}) + "\n")
    assert read_losses(log) == {"model": {1: 0.5, 2: 0.25}}
