"""Weights that several processes fetch at the same time are whole, and so is the note of their digest."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modalities.contract import ModelSpec
from modalities.models.weight_files import files_digest
from modalities.models.weights import WeightsLocator
from storage.bucket import Bucket


def test_weights_that_many_fetch_at_once_are_whole(new_bucket: Callable[[], Bucket], tmp_path: Path) -> None:
    bucket, content = new_bucket(), {"model.bin": os.urandom(3_000_000), "deeper/config.json": b"{}"}
    for name, data in content.items():
        bucket.put(f"models/raven/{name}", data)
    source = {"bucket": "models/raven"}
    spec = ModelSpec(name="raven", operator="whisper", source=source, licence="MIT", memory_mb=1)  # type: ignore[arg-type]
    cache = tmp_path / "cache"
    torn = cache / "digests"
    torn.mkdir(parents=True)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: WeightsLocator(tmp_path, cache, bucket).locate(spec), range(6)))
    [folder] = {weights.folder for weights in found}
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == content
    [digest] = {weights.digest for weights in found}
    assert digest == files_digest(sorted(path for path in folder.rglob("*") if path.is_file()))
    for unfinished in (".model.bin.lock", "model.bin.unfinished"):  # of a process that fetches at the same time
        (folder / unfinished).write_bytes(b"?")
    assert WeightsLocator(tmp_path, cache, bucket).digest(spec) == digest
    [note] = torn.iterdir()
    note.write_text(digest[:10], encoding="ascii")  # as a process that was killed left it
    assert WeightsLocator(tmp_path, cache, bucket).digest(spec) == digest
    assert note.read_text(encoding="ascii") == digest
