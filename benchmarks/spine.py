"""The overhead of the platform: storage, embedding and transcription beside the bare libraries.

    .venv/bin/python -m benchmarks.spine

Starts an S3 server of its own. Compares the medians of interleaved measurements (ours, bare, ours, bare, …), so that
other load on the machine affects both.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from faster_whisper import WhisperModel
from minio import Minio
from rich.console import Console
from rich.table import Table

from flows.running.platform import Platform, Space
from flows.running.settings import ROOT, load_settings
from modalities.contract import ModelSpec
from modalities.embedding.requests import EmbedImage
from modalities.models.weights import WeightsLocator
from modalities.speech.joined_weights import model_folder
from modalities.speech.requests import Transcribe
from stack import lifecycle
from storage.artifacts import Artifact, ArtifactStore

SAMPLES = ROOT / "samples"
TURNS = 5
_CHUNK = 1024 * 1024
_STREAMED = 8_000_000


def main() -> None:
    """Measure all pairs and print one table."""
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        home = Path(folder)
        lifecycle.up(home, storage_only=True)
        try:
            table = Table("what", "Triptych", "bare", "unit", "ratio")
            platform = Platform(load_settings(home))
            for size in (10_000, 1_000_000, 32_000_000):
                _storage(table, platform, size)
            _embedding(table, platform)
            _speech(table, platform)
            Console().print(table)
        finally:
            lifecycle.down(home)


def _storage(table: Table, platform: Platform, size: int) -> None:
    """Measure PUT and GET of random bytes: the artifact store and the SDK alone."""
    settings = platform.settings
    bare = Minio(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
    )
    store = ArtifactStore(platform.bucket, "bench")
    count = 20 if size < 10_000_000 else 3
    kept: list[Artifact] = []
    keys: list[str] = []

    def put_bare(data: bytes) -> str:
        key = f"bench/bare/{uuid4()}"
        bare.put_object(bucket_name=settings.bucket, object_name=key, data=io.BytesIO(data), length=size)
        return key

    def put_ours(data: bytes) -> Artifact:
        return store.put(io.BytesIO(data) if size > _STREAMED else data, "application/octet-stream")

    _row(
        table,
        f"PUT {size / 1e6:g} MB",
        "MB/s",
        size * count / 1e6,
        lambda: kept.extend(put_ours(os.urandom(size)) for _ in range(count)),
        lambda: keys.extend(put_bare(os.urandom(size)) for _ in range(count)),
    )
    _row(
        table,
        f"GET {size / 1e6:g} MB, verified",
        "MB/s",
        size * count / 1e6,
        lambda: [_read_ours(store, artifact) for artifact in kept[-count:]],
        lambda: [_read_bare(bare, settings.bucket, key) for key in keys[-count:]],
    )


def _read_ours(store: ArtifactStore, artifact: Artifact) -> None:
    with store.open(artifact) as stream:
        for _ in iter(lambda: stream.read(_CHUNK), b""):
            pass


def _read_bare(client: Minio, bucket: str, key: str) -> None:
    response = client.get_object(bucket_name=bucket, object_name=key)
    for _ in response.stream(_CHUNK):
        pass
    response.close()
    response.release_conn()


def _embedding(table: Table, platform: Platform) -> None:
    """Measure stored embeddings of pictures, and the model alone on pictures in memory."""
    from PIL import Image

    paths = sorted(SAMPLES.glob("*.jpg"))
    model = platform.catalogue.profile.pictures
    with platform.pool.operator(model) as loaded:
        towers: Any = loaded

        def ours() -> None:
            space = _fresh(platform)
            images = [space.store.put(path.read_bytes(), "image/jpeg") for path in paths]
            space.answers.run_all([EmbedImage(model=model, image=image) for image in images])

        def bare() -> None:
            pictures = [Image.open(path).convert("RGB") for path in paths]
            towers.encode_pictures([towers.prepare(picture) for picture in pictures])

        _row(table, "embed pictures", "images/s", len(paths), ours, bare)


def _speech(table: Table, platform: Platform) -> None:
    """Measure a stored transcript, and faster-whisper alone with the same model and settings."""
    path = SAMPLES / "speech-1961.flac"
    model = platform.catalogue.profile.speech
    spec = platform.catalogue.spec(model)
    folder = model_folder(model, WeightsLocator(ROOT, platform.settings.cache_dir, None).locate(spec), _sha256_of(spec))
    whisper = WhisperModel(str(folder), device="cpu", compute_type="int8")
    with platform.pool.operator(model):

        def ours() -> None:
            space = _fresh(platform)
            sound = space.store.put(path.read_bytes(), "audio/flac")
            space.answers.run_all([Transcribe(model=model, audio=sound)])

        def bare() -> None:
            segments, _ = whisper.transcribe(str(path), beam_size=5, vad_filter=True, word_timestamps=True)
            list(segments)

        _row(table, "transcribe, times real time", "× real time", 11.0, ours, bare)


def _sha256_of(spec: ModelSpec) -> str:
    return str(spec.options["model_sha256"])


def _fresh(platform: Platform) -> Space:
    """A new project, without cached results."""
    return platform.space(f"bench-{uuid4().hex[:12]}")


def _row(
    table: Table, what: str, unit: str, amount: float, ours: Callable[[], object], bare: Callable[[], object]
) -> None:
    ours(), bare()
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(TURNS):
        for name, work in (("ours", ours), ("bare", bare)):
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
    mine, theirs = (amount / statistics.median(times[name]) for name in ("ours", "bare"))
    table.add_row(what, f"{mine:.1f}", f"{theirs:.1f}", unit, f"{mine / theirs:.2f}")


if __name__ == "__main__":
    main()
