"""Taking in pictures, beside a bare loop that reads, decodes and embeds them with the same model.

    python -m benchmarks.ingest 1000

Starts an S3 server and a Postgres of its own and ingests pictures of 640 × 480 (crops of the shared photos) from the
bucket in this process, in turns with the bare loop, so that other load affects both. Prints pictures per second, their
ratio, and the requests to S3 per picture; first without text in pictures, then with it (the bare loop reads it, too).
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import urllib3
from PIL import Image

from flows.ingest import ingest_files
from flows.running.context import local_context
from flows.running.platform import Platform, Space
from flows.running.settings import load_settings
from modalities.embedding.two_towers import decode_picture
from modalities.models.catalogue import Profile
from stack import lifecycle

PHOTOS = Path(__file__).parents[2] / "shared/data/photos"
_TURN = 100
_SIZE = (640, 480)
_THREADS = 4


@dataclass
class Cost:
    """What work took: by the clock, and of the processor in this process."""

    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, work: Callable[[], object]) -> None:
        """Do the work."""
        started, cpu = time.perf_counter(), time.process_time()
        work()
        self.seconds += time.perf_counter() - started
        self.cpu += time.process_time() - cpu


def main(count: int) -> None:
    """Measure both, without and with text in pictures."""
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the embedded Postgres runs as another user
        paths = _make_pictures(home / "pictures", count)
        lifecycle.up(home, storage_only=True)
        try:
            platform = Platform(load_settings(home))
            for reads_text in (False, True):
                _measure(platform, paths if not reads_text else paths[: max(count // 10, 20)], reads_text)
        finally:
            lifecycle.down(home)


def _make_pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    draw = random.Random(count)
    photos = sorted(PHOTOS.glob("*.jpg"))
    paths: list[Path] = []
    for number in range(count):
        with Image.open(photos[number % len(photos)]) as photo:
            width, height = photo.size
            left, top = draw.randrange(width // 4), draw.randrange(height // 4)
            part = photo.convert("RGB").crop((left, top, left + 3 * width // 4, top + 3 * height // 4)).resize(_SIZE)
        paths.append(folder / f"{number:05}.jpg")
        part.save(paths[-1], quality=88)
    return paths


def _measure(platform: Platform, paths: Sequence[Path], reads_text: bool) -> None:
    space = _space(platform, reads_text)
    ours, bare, requests = Cost(), Cost(), Counter[str]()
    warm_up, measured = paths[:4], paths[4:]
    _ingest(space, warm_up)
    _bare_loop(space, warm_up, reads_text)
    for start in range(0, len(measured), _TURN):
        some = measured[start : start + _TURN]
        keys = _upload(space, some)
        with _counted(requests):
            ours.add(lambda keys=keys: _ingest_keys(space, keys))
        bare.add(lambda some=some: _bare_loop(space, some, reads_text))
    per_picture = ", ".join(f"{method} {number / len(measured):.1f}" for method, number in requests.most_common())
    number = len(measured)
    print(f"{number} pictures, {'with' if reads_text else 'without'} the text in them:")
    print(f"  a second: {number / ours.seconds:.1f}, bare {number / bare.seconds:.1f}", end="")
    print(f", ratio {bare.seconds / ours.seconds:.2f}")
    print(f"  CPU of this process a picture: {ours.cpu / number * 1000:.0f} ms", end="")
    print(f", bare {bare.cpu / number * 1000:.0f} ms; S3 requests: {per_picture}")


def _space(platform: Platform, reads_text: bool) -> Space:
    if not reads_text:
        catalogue = platform.catalogue
        profile = Profile.model_validate(catalogue.profile.model_dump() | {"text_in_pictures": None})
        vars(platform)["catalogue"] = catalogue.model_copy(update={"profile": profile})
    else:
        vars(platform).pop("catalogue")
    return platform.space(f"bench-{uuid4().hex[:8]}")


def _upload(space: Space, paths: Sequence[Path]) -> list[str]:
    keys = [f"inbox/{space.project}/{path.name}" for path in paths]

    def upload(key: str, path: Path) -> None:
        space.platform.bucket.put(key, path.read_bytes())

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(upload, keys, paths))
    return keys


def _ingest(space: Space, paths: Sequence[Path]) -> None:
    _ingest_keys(space, _upload(space, paths))


def _ingest_keys(space: Space, keys: Sequence[str]) -> None:
    report = asyncio.run(ingest_files(local_context(space), keys))
    assert {item.status for item in report.items} == {"stored"}, report


def _bare_loop(space: Space, paths: Sequence[Path], reads_text: bool) -> None:
    """Read, decode and embed in batches, decoding in threads; then read the text, if that is measured."""
    profile = space.profile
    with space.platform.pool.operator(profile.pictures) as loaded, ThreadPoolExecutor(_THREADS) as threads:
        towers: Any = loaded
        for start in range(0, len(paths), towers.batch_size):
            batch = paths[start : start + towers.batch_size]
            decoded = threads.map(partial(_decoded, side=towers.picture_side), batch)
            towers.encode_and_recognize(list(map(towers.prepare, decoded)))
    if reads_text and profile.text_in_pictures:
        with space.platform.pool.operator(profile.text_in_pictures) as loaded:
            reader: Any = loaded
            for path in paths:
                reader._read(_pixels(path))


def _decoded(path: Path, side: int) -> Image.Image:
    return decode_picture(path.read_bytes(), side)


def _pixels(path: Path) -> Any:
    import numpy as np

    with Image.open(BytesIO(path.read_bytes())) as picture:
        return np.asarray(picture.convert("RGB"))[:, :, ::-1]


@contextmanager
def _counted(requests: Counter[str]) -> Generator[None]:
    """Count the requests to S3 by method while the context lasts."""
    pool = urllib3.connectionpool.HTTPConnectionPool
    sent = pool.urlopen

    def count(self: Any, method: str, *rest: Any, **options: Any) -> Any:
        requests[method] += 1
        return sent(self, method, *rest, **options)

    pool.urlopen = count  # type: ignore[method-assign]
    try:
        yield
    finally:
        pool.urlopen = sent  # type: ignore[method-assign]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
