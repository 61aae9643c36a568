"""Every hub model of the catalogue, as a tiny stand-in on a hub of this machine: pinned, pulled, loaded, asked."""

import io
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from modalities.contract import ModelSpec, Request, no_progress
from modalities.embedding.requests import EmbedImage, EmbedText
from modalities.generation.requests import GenerateImage
from modalities.models.catalogue import Catalogue, load_catalogue
from modalities.models.hub.client import Hub, repository
from modalities.models.hub.inventory import remove_model
from modalities.models.hub.pins import resolve_pin, write_pin
from modalities.models.hub.snapshots import HubSnapshots
from modalities.models.model_cache import CacheLimits
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from modalities.speech.requests import Transcribe
from modalities.translation.requests import Translate
from storage.artifacts import ArtifactStore
from tests.modalities.models.hub.local_hub import LocalHub
from tests.modalities.models.hub.tiny_models import TINY
from tests.paths import ROOT, SAMPLES
from tests.waiting import wait_for

FAMILIES = {
    **dict.fromkeys(("siglip2-base", "clip-vit-b32"), EmbedImage),
    **dict.fromkeys(("e5-base", "bge-m3"), EmbedText),
    "whisper-small": Transcribe,
    **dict.fromkeys(("opus-en-de", "madlad-3b", "nllb-600m", "m2m100-418m"), Translate),
    **dict.fromkeys(("lcm-dreamshaper", "sd15", "sdxl", "flux-schnell"), GenerateImage),
}
"""One model of each family, with what it is asked."""
CATALOGUE = ROOT / "configs" / "models.yaml"
NOT_WANTED = {"README.md": b"# Model", "flax_model.msgpack": b"1", "weights.ckpt": b"2", "loader.py": b"3"}
LANGUAGES = {"sources": ["en"], "targets": ["de"]}
CHANGED: dict[str, dict[str, Any]] = {
    "opus-en-de": {"codes": {"de": ">>de<<"}},  # the stand-in is one for several languages
    **dict.fromkeys(("madlad-3b", "nllb-600m", "m2m100-418m"), LANGUAGES),
}
"""Options that differ for the stand-in, whose vocabulary is small."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """Return the files of a stand-in, built once per family."""
    import torch

    @cache
    def files(build: Any) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp(build.__name__)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            build(folder)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    return lambda name: files(TINY[name])


def test_every_hub_model_of_the_catalogue_has_a_stand_in() -> None:
    document = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    assert {name for name, entry in document["models"].items() if "hub" in entry["source"]} == set(TINY)
    assert {TINY[name] for name in FAMILIES} == set(TINY.values())


@pytest.fixture
def pinned(
    local_hub: LocalHub, hub: Hub, built: Callable[[str], dict[str, bytes]], tmp_path: Path
) -> Callable[[str], Catalogue]:
    """Publish a stand-in under the repository's name, pin the entry of the catalogue as it stands, and return it so."""

    def pin(name: str) -> Catalogue:
        path = tmp_path / "models.yaml"
        path.write_text(CATALOGUE.read_text(encoding="utf-8"), encoding="utf-8")
        spec = load_catalogue(path, "gpu").models[name]
        local_hub.publish(repository(spec.source), built(name) | NOT_WANTED)
        write_pin(path, name, resolve_pin(hub, spec, "main"))
        return load_catalogue(path, "gpu")

    return pin


@pytest.mark.parametrize("name", sorted(TINY.keys() - FAMILIES.keys()))
def test_the_patterns_of_an_entry_find_its_files(
    name: str, hub: Hub, built: Callable[[str], dict[str, bytes]], pinned: Callable[[str], Catalogue], tmp_path: Path
) -> None:
    spec = pinned(name).models[name]
    check_files(HubSnapshots(tmp_path / "cache", hub), spec, built(name))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_comes_from_the_hub_answers_and_goes(
    name: str,
    hub: Hub,
    built: Callable[[str], dict[str, bytes]],
    pinned: Callable[[str], Catalogue],
    modality_store: ArtifactStore,
    tmp_path: Path,
) -> None:
    found = pinned(name)
    snapshots = HubSnapshots(tmp_path / "cache", hub)
    check_files(snapshots, found.models[name], built(name))
    catalogue = Catalogue(models={name: tiny_spec(found.models[name])}, profile=found.profile)
    limits = CacheLimits(idle_seconds=0.01)
    pool = OperatorPool(catalogue, WeightsLocator(tmp_path, tmp_path / "cache", None, hub), limits)
    request = question(name, modality_store)
    with pool.operator(name) as operator:
        first = operator([request], modality_store, no_progress)[0]
        again = operator([request], modality_store, no_progress)[0]
        assert [model.name for model in pool.loaded()] == [name]
    assert isinstance(first, type(request).result_type()), first
    assert again == first
    wait_for(lambda: pool.loaded() == [], 20, "the model is unloaded")
    assert remove_model(catalogue, snapshots, catalogue.models[name]) > 0
    assert not snapshots.is_complete(name, catalogue.models[name].source)


def check_files(snapshots: HubSnapshots, spec: ModelSpec, files: dict[str, bytes]) -> None:
    """Pull, and check that all weights have come, and nothing that is not wanted."""
    folder = snapshots.locate(spec.name, spec.source)
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert not found & set(NOT_WANTED)
    assert {file for file in files if file.endswith((".safetensors", ".bin"))} <= found
    assert snapshots.faults(spec.name, spec.source) == []


def tiny_spec(entry: ModelSpec) -> ModelSpec:
    """The entry with what a stand-in needs, acknowledged, in float32 on the CPU."""
    options = {key: value for key, value in entry.options.items() if key != "model_sha256"}
    changed = {"acknowledged": True, "device": "cpu", "dtype": "float32", "memory_mb": 100}
    return entry.model_copy(update={"options": options | CHANGED.get(entry.name, {}), **changed})


def question(name: str, store: ArtifactStore) -> Request[Any]:
    kind = FAMILIES[name]
    if kind is EmbedImage:
        picture = store.put((SAMPLES / "luggage.jpg").read_bytes(), "image/jpeg")
        return EmbedImage(model=name, image=picture)
    if kind is EmbedText:
        return EmbedText(model=name, text="a red boat", role="query")
    if kind is Transcribe:
        return Transcribe(model=name, audio=store.put(sound(), "audio/wav"), language="en")
    if kind is Translate:
        return Translate(model=name, lines=("Where is the station?",), source="en", target="de")
    steps, guidance = (2, 7.5) if name != "flux-schnell" else (2, 0.0)
    return GenerateImage(model=name, prompt="a red boat", seed=1, steps=steps, guidance=guidance, width=32, height=32)


def sound() -> bytes:
    """A second of a tone."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"".join((8000 * (n % 40 < 20)).to_bytes(2, "little", signed=True) for n in range(16000)))
    return out.getvalue()
