"""`triptych models` against a hub on this machine: what a person types, in the order in which they need it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main as command_line
from gateway.cli.commands.models import report_missing
from tests.modalities.models.hub.local_hub import LocalHub, serve

FILES = {"config.json": b"{}", "model.bin": os.urandom(50_000), "tokenizer.json": b"[]"}
ENTRY = """
  {name}:
    operator: whisper
    source:
      hub: birds/{name}  # of the forest
      files: [model.bin, "*.json"]
    licence: {licence}
"""
PROFILES = """
profiles:
  birds: {pictures: raven, passages: raven, speech: raven, translation: [], generation: owl}
"""
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with serve() as running:
        running.publish("birds/raven", FILES)
        running.publish("birds/owl", FILES, "cc-by-nc-4.0")
        yield running


@pytest.fixture
def triptych(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; return the exit code, the JSON document and stderr."""
    entries = ENTRY.format(name="raven", licence="MIT") + ENTRY.format(name="owl", licence="CC-BY-NC-4.0")
    (tmp_path / "models.yaml").write_text(f"models:{entries}{PROFILES}", encoding="utf-8")
    environment = {
        "HUB_ENDPOINT": hub.url,
        "HOME": str(tmp_path / "home"),
        "PROFILE": "birds",
        "MODELS_CONFIG": str(tmp_path / "models.yaml"),
        "CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(*arguments: object, **changed: str) -> tuple[int, Any, str]:
        for name, value in (environment | changed).items():
            monkeypatch.setenv(f"TRIPTYCH_{name}", value)
        monkeypatch.setattr("sys.argv", ["triptych", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said, code = capsys.readouterr(), ended.value.code
        return code if isinstance(code, int) else 0, json.loads(said.out) if said.out else None, said.err

    return run


def states(run: Run, **changed: str) -> dict[str, str]:
    return {model["name"]: model["state"] for model in run("models", "list", **changed)[1]["models"]}


def test_from_a_name_to_weights_and_to_a_machine_without_a_network(triptych: Run, tmp_path: Path) -> None:
    assert states(triptych) == {"raven": "not pinned", "owl": "licence"}
    code, _, told = triptych("models", "pull", "raven")
    assert (code, told) == (4, "The model raven is not pinned: run `triptych models pin raven`.\n")
    code, document, told = triptych("models", "pull", "--pin")
    assert (code, list(document["failed"])) == (4, ["owl"])
    assert "raven: 0.00 GB, licence MIT, birds/raven at " in told
    assert "`acknowledged: true`" in document["failed"]["owl"]
    assert "# of the forest" in (tmp_path / "models.yaml").read_text(encoding="utf-8")
    assert states(triptych) == {"raven": "ready", "owl": "licence"}
    code, document, _ = triptych("models", "export", tmp_path / "birds.tar", "raven")
    assert (code, document["models"]) == (0, ["raven"])

    elsewhere = {"CACHE_DIR": str(tmp_path / "elsewhere"), "HUB_ENDPOINT": "http://127.0.0.1:9"}
    assert states(triptych, **elsewhere)["raven"] == "not pulled"
    assert triptych("models", "import", tmp_path / "birds.tar", **elsewhere)[:2] == (0, {"models": ["raven"]})
    assert triptych("models", "check", "raven", **elsewhere)[0] == 0


def test_a_damaged_file_is_found_and_a_removed_model_takes_no_room(triptych: Run, tmp_path: Path) -> None:
    triptych("models", "pull", "raven", "--pin")
    [weights] = (tmp_path / "cache").rglob("model.bin")
    weights.write_bytes(bytes(50_000))
    code, _, told = triptych("models", "check", "raven")
    assert (code, "model.bin of raven changed" in told) == (4, True)
    code, document, _ = triptych("models", "remove", "raven", "owl")
    assert (code, list(document["failed"])) == (4, ["owl"])
    assert document["models"] == [{"name": "raven", "freed_bytes": 50_004}]
    assert list((tmp_path / "cache").rglob("model.bin")) == []
    assert states(triptych)["raven"] == "not pulled"


def test_up_says_in_one_sentence_what_the_profile_lacks_and_pulls_when_told(
    triptych: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert triptych("models", "list")[0] == 0
    report_missing(pull=False)
    licence = "owl need `acknowledged: true` in models.yaml for their licence"
    unpinned = "raven have no commit yet (`triptych models pin` asks the hub for it)"
    assert capsys.readouterr().err.startswith(f"The profile birds is not complete: {unpinned}; {licence}.")
    triptych("models", "pin", "raven")
    report_missing(pull=False)
    absent = "raven are not on this machine (`triptych models pull` or `triptych up --pull` fetches 0.0 GB)"
    assert absent in capsys.readouterr().err
    report_missing(pull=True)
    assert f"The profile birds is not complete: {licence}." in capsys.readouterr().err
    assert states(triptych)["raven"] == "ready"
