"""A pin is what the hub says, written into the entry and nowhere else."""

import hashlib
from pathlib import Path

import pytest
import yaml

from modalities.contract import ModelSpec
from modalities.errors import ModelUnavailable
from modalities.models.catalogue import load_catalogue
from modalities.models.hub.client import Hub
from modalities.models.hub.pins import Pin, pinned_text, resolve_pin, write_pin
from modalities.models.hub.snapshots import HubSnapshots
from tests.modalities.models.hub.local_hub import LocalHub
from tests.paths import ROOT

FILES = {"config.json": b"{}", "deep/model.safetensors": bytes(9000), "README.md": b"# Raven"}
PIN = Pin(commit="1" * 40, sha256={"a b/model.bin": "2" * 64}, size_bytes=1_500_000, licence="mit")
CATALOGUE = """# Birds.
models:
  crow: {operator: whisper, source: {folder: crow}, licence: MIT}
  raven:  # black
    operator: whisper
    source: SOURCE
    licence: MIT  # as its card says
profiles: {}
"""
SOURCES = (
    '{hub: birds/raven, files: ["*.json", "deep/*"]}',
    "{hub: birds/raven, revision: main}",
    """
      hub: birds/raven  # of the forest
      files: ["*.json", "deep/*"]""",
    """
      hub: birds/raven
      revision: main  # not for long
      # the weights
      files:
        - "*.json"
        - deep/*  # large""",
    f"""
      sha256:
        old.bin: {"3" * 64}  # of last year
      # one of a few
      revision: {"4" * 40}
      size_mb: 7
      hub: birds/raven""",
)


@pytest.mark.parametrize("source", SOURCES)
def test_only_the_values_of_the_pin_change(source: str) -> None:
    before = CATALOGUE.replace("SOURCE", source)
    after = pinned_text(before, "raven", PIN)
    expected = yaml.safe_load(before)
    expected["models"]["raven"]["source"] |= {"revision": PIN.commit, "size_mb": 2, "sha256": dict(PIN.sha256)}
    assert yaml.safe_load(after) == expected
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == comments
    assert pinned_text(after, "raven", PIN) == after


def test_every_hub_model_of_the_catalogue_can_be_pinned(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "models.yaml").read_text(encoding="utf-8")
    hubs = [name for name, entry in yaml.safe_load(text)["models"].items() if "hub" in entry["source"]]
    path = tmp_path / "models.yaml"
    path.write_text(text, encoding="utf-8")
    for name in hubs:
        write_pin(path, name, PIN)
    pinned = load_catalogue(path, "starter").models
    assert {name: pinned[name].source.revision for name in hubs} == dict.fromkeys(hubs, PIN.commit)


def test_a_branch_becomes_a_commit_and_each_file_has_its_sha256(local_hub: LocalHub, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(CATALOGUE.replace("SOURCE", SOURCES[0]), encoding="utf-8")
    local_hub.publish("birds/raven", {"config.json": b"old"})
    commit = local_hub.publish("birds/raven", FILES, "cc-by-nc-4.0")
    write_pin(path, "raven", resolve_pin(hub, entry(path), None))
    pinned = entry(path)
    digests = {name: hashlib.sha256(FILES[name]).hexdigest() for name in ("config.json", "deep/model.safetensors")}
    assert (pinned.source.revision, pinned.source.sha256) == (commit, digests)
    local_hub.publish("birds/raven", {"config.json": b"newer"})
    folder = HubSnapshots(tmp_path / "cache", hub).locate("raven", pinned.source)
    assert (folder / "config.json").read_bytes() == b"{}"


def test_a_small_file_that_arrives_changed_is_not_pinned(local_hub: LocalHub, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(CATALOGUE.replace("SOURCE", SOURCES[1]), encoding="utf-8")
    local_hub.publish("birds/raven", FILES)
    local_hub.damaged = {"config.json"}
    with pytest.raises(ModelUnavailable, match=r"config.json of raven arrived with other bytes"):
        resolve_pin(hub, entry(path), None)


def entry(path: Path) -> ModelSpec:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return ModelSpec(name="raven", **document["models"]["raven"])
