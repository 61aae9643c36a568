"""An operator for tests that only occupies memory: a fixed amount when loaded, and more while it runs."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from modalities.contract import ModelSpec, Progress, Request, Result, Source, Weights
from modalities.models.catalogue import Catalogue, Profile
from storage.artifacts import ArtifactStore

MEGABYTE = 1_000_000


class Weighed(Result):
    megabytes: int


class Weigh(Request[Weighed]):
    number: int = 0


class Ballast:
    """Occupies `megabytes` when loaded and `working` more while it runs.

    With `asks`, loading requests more memory than any machine has. With `collects`, the garbage collector runs during
    the load, as it may at any time.
    """

    version: ClassVar[str] = "1"
    batch_size = 4
    loads: ClassVar[list[str]] = []

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._held = _touched(spec.options["megabytes"])

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        cls.loads.append(spec.name)
        if spec.options.get("collects"):
            gc.collect()
        if spec.options.get("asks"):
            bytearray(1 << 60)
        return cls(spec)

    def __call__(self, requests: Sequence[Weigh], store: ArtifactStore, progress: Progress) -> Sequence[Weighed]:
        taken = _touched(self._spec.options.get("working", 0))
        del taken
        return [Weighed(megabytes=self._spec.options["megabytes"]) for _ in requests]


def ballast(folder: Path, **models: dict[str, int]) -> Catalogue:
    """Build a catalogue of such models from their options; `memory_mb` goes into the entry."""
    specs: dict[str, ModelSpec] = {}
    for name, options in models.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "weights.bin").write_text(f"{folder.name} {name}", encoding="utf-8")
        given = dict(options)
        specs[name] = ModelSpec(
            name=name,
            operator="tests.modalities.models.ballast:Ballast",
            source=Source(folder=name),
            licence="Apache-2.0",
            device="cpu",
            memory_mb=given.pop("memory_mb", None),
            options=given,
        )
    nothing = Profile(pictures="", passages="", speech="", translation=(), generation="")
    return Catalogue(models=specs, profile=nothing)


def _touched(megabytes: int) -> bytearray:
    """Allocate memory and write to every page, so that it is resident."""
    return bytearray(b"\x01") * (megabytes * MEGABYTE)
