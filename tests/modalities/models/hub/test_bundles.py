"""A bundle brings models to a machine without a hub, and nothing else."""

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from modalities.errors import ModelUnavailable
from modalities.models.hub.bundles import export_bundle, import_bundle
from modalities.models.hub.client import Hub
from modalities.models.hub.snapshots import HubSnapshots
from tests.modalities.models.hub.local_hub import LocalHub
from tests.modalities.models.hub.test_downloads import FILES, content, spec

NOWHERE = Hub("http://127.0.0.1:9")


@pytest.fixture
def bundle(local_hub: LocalHub, hub: Hub, tmp_path: Path) -> Path:
    """A bundle of one model, whose commit the tests read from its manifest."""
    pinned = spec(local_hub.publish("birds/raven", FILES))
    here = HubSnapshots(tmp_path / "here", hub)
    here.locate("raven", pinned.source)
    export_bundle(here, [pinned], tmp_path / "models.tar")
    return tmp_path / "models.tar"


def commit_of(bundle: Path) -> str:
    return next(iter(members(bundle)["manifest.json"]["models"]))["source"]["revision"]


def members(bundle: Path) -> dict[str, object]:
    with tarfile.open(bundle) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    return {name: json.loads(data) if name == "manifest.json" else data for name, data in read.items()}


def write(bundle: Path, parts: dict[str, object]) -> None:
    with tarfile.open(bundle, "w") as tar:
        for name, part in parts.items():
            data = part if isinstance(part, bytes) else json.dumps(part).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_a_model_comes_to_a_machine_without_a_hub(bundle: Path, tmp_path: Path) -> None:
    there = HubSnapshots(tmp_path / "there", NOWHERE)
    pinned = spec(commit_of(bundle))
    assert [model.name for model in import_bundle(there, bundle, {"raven": pinned})] == ["raven"]
    folder = there.locate("raven", pinned.source)
    assert content(folder) == {name: FILES[name] for name in ("config.json", "model.safetensors")}


def test_bytes_that_changed_on_the_way_are_refused(bundle: Path, tmp_path: Path) -> None:
    parts = members(bundle)
    large = max((name for name in parts if name != "manifest.json"), key=lambda name: len(parts[name]))  # type: ignore[arg-type]
    write(bundle, parts | {large: os.urandom(len(parts[large]))})  # type: ignore[arg-type]
    there = HubSnapshots(tmp_path / "there", NOWHERE)
    with pytest.raises(ModelUnavailable, match=r"model.safetensors of raven arrived with other bytes"):
        import_bundle(there, bundle, {})
    assert not there.is_complete("raven", spec(commit_of(bundle)).source)


def test_a_bundle_that_was_cut_off_is_told(bundle: Path, tmp_path: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[:100_000])
    with pytest.raises(ModelUnavailable, match=r"is not a bundle .* or is cut off"):
        import_bundle(HubSnapshots(tmp_path / "there", NOWHERE), bundle, {})


def test_a_path_that_leaves_its_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    changed = json.loads(json.dumps(members(bundle)["manifest.json"]).replace("config.json", "../../config.json"))
    write(bundle, members(bundle) | {"manifest.json": changed})
    with pytest.raises(ModelUnavailable, match="is not a bundle"):
        import_bundle(HubSnapshots(tmp_path / "there", NOWHERE), bundle, {})


def test_what_models_yaml_pins_decides(bundle: Path, tmp_path: Path) -> None:
    there = HubSnapshots(tmp_path / "there", NOWHERE)
    with pytest.raises(ModelUnavailable, match=r"models.yaml pins 0000"):
        import_bundle(there, bundle, {"raven": spec("0" * 40)})
    other_bytes = spec(commit_of(bundle), sha256={"model.safetensors": "0" * 64})
    with pytest.raises(ModelUnavailable, match=r"model.safetensors of raven in the bundle is not the one"):
        import_bundle(there, bundle, {"raven": other_bytes})


def test_a_model_that_is_not_here_is_not_exported(local_hub: LocalHub, hub: Hub, tmp_path: Path) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES))
    with pytest.raises(ModelUnavailable, match=r"run `triptych models pull raven`"):
        export_bundle(HubSnapshots(tmp_path, hub), [pinned], tmp_path / "models.tar")
    assert not (tmp_path / "models.tar").exists()
