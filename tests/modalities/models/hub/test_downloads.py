"""Weights from a hub arrive whole whatever happens on the way, and what is refused is told in one sentence."""

import os
from collections.abc import Callable
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from typing import Any

import pytest

from modalities.contract import ModelSpec
from modalities.errors import ModelUnavailable
from modalities.models.hub.client import Hub
from modalities.models.hub.snapshots import HubSnapshots
from modalities.models.weights import WeightsLocator
from tests.modalities.models.hub.local_hub import GOOD_TOKEN, LocalHub

BIG = os.urandom(300_000)
HUGE = os.urandom(11_000_000)
"""More than the client reads at once."""
READ_AT_ONCE = 10 * 1024 * 1024
FILES = {"config.json": b'{"a": 1}', "model.safetensors": BIG, "pytorch_model.bin": b"pickled", "code.py": b"x = 1"}


def spec(revision: str | None, **source: Any) -> ModelSpec:
    named = {"hub": "birds/raven", "revision": revision, **source}
    return ModelSpec(name="raven", operator="whisper", source=named, licence="MIT", memory_mb=1)  # type: ignore[arg-type]


@pytest.fixture
def fetched(local_hub: LocalHub, tmp_path: Path) -> Callable[[ModelSpec], Path]:
    """Return the folder that a locator of this cache finds."""
    return lambda wanted: WeightsLocator(tmp_path, tmp_path / "cache", None, Hub(local_hub.url)).locate(wanted).folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_arrive_once_without_pickles_and_code(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES))
    assert content(fetched(pinned)) == {"config.json": FILES["config.json"], "model.safetensors": BIG}
    local_hub.asked.clear()
    fetched(pinned)
    assert local_hub.asked == []  # neither the network nor the hub is needed from now on


def test_a_connection_that_is_cut_goes_on_where_it_was_cut(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    pinned = spec(local_hub.publish("birds/raven", {"model.safetensors": HUGE}))
    local_hub.cut_after = [10_900_000]
    assert content(fetched(pinned))["model.safetensors"] == HUGE
    assert [sent for _, sent in local_hub.downloads()] == ["", f"bytes={READ_AT_ONCE}-"]


def interrupted(hub: HubSnapshots, pinned: ModelSpec, cut: int) -> None:
    """Download until so many bytes are here, and die."""

    def die(amount: int) -> None:
        got.append(amount)
        if sum(got) >= cut:
            raise KeyboardInterrupt

    got: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        hub.fetch(pinned.name, pinned.source, die)


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_was_killed_goes_on_in_another_process(
    local_hub: LocalHub, hub: Hub, tmp_path: Path, fetched: Callable[..., Path], knows_ranges: bool
) -> None:
    pinned = spec(local_hub.publish("birds/raven", {"model.safetensors": HUGE}))
    interrupted(HubSnapshots(tmp_path / "cache", hub), pinned, 10_000_000)
    local_hub.asked.clear()
    local_hub.knows_ranges = knows_ranges
    assert content(fetched(pinned))["model.safetensors"] == HUGE
    assert [sent for _, sent in local_hub.downloads()] == [f"bytes={READ_AT_ONCE}-"]


def test_what_an_earlier_download_left_damaged_is_fetched_anew(
    local_hub: LocalHub, hub: Hub, tmp_path: Path, fetched: Callable[..., Path]
) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES), files=["*.safetensors"])
    found = HubSnapshots(tmp_path / "cache", hub)
    [file] = found.files("raven", pinned.source)
    part = tmp_path / "cache/hub/models--birds--raven/parts" / file.digest
    part.parent.mkdir(parents=True)
    part.write_bytes(b"<html>proxy error</html>" * 100)
    assert content(fetched(pinned))["model.safetensors"] == BIG


def test_a_busy_hub_is_asked_again_when_it_says(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES), files=["*.safetensors"])
    local_hub.busy = 1
    assert content(fetched(pinned))["model.safetensors"] == BIG


def test_bytes_other_than_announced_never_load(
    local_hub: LocalHub, tmp_path: Path, fetched: Callable[..., Path]
) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES))
    local_hub.damaged = {"model.safetensors"}
    with pytest.raises(ModelUnavailable, match=r"model.safetensors of raven arrived with other bytes"):
        fetched(pinned)
    assert "model.safetensors" not in content(tmp_path / "cache/hub/models--birds--raven/snapshots")


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_pinned_one_never_loads(
    local_hub: LocalHub, fetched: Callable[..., Path], path: str
) -> None:
    commit = local_hub.publish("birds/raven", FILES)
    with pytest.raises(ModelUnavailable, match=f"{path} of raven"):
        fetched(spec(commit, sha256={path: "0" * 64}))


def test_a_file_that_changes_on_the_disk_is_noticed(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES))
    changed = fetched(pinned) / "model.safetensors"
    changed.write_bytes(bytes(len(BIG)))
    with pytest.raises(ModelUnavailable, match=r"changed on this disk: `triptych models remove raven`"):
        fetched(pinned)


@pytest.mark.parametrize("revision", [None, "main", "v1.0"])
def test_an_entry_without_a_commit_is_in_the_catalogue_and_not_loaded(
    local_hub: LocalHub, fetched: Callable[..., Path], revision: str | None
) -> None:
    local_hub.publish("birds/raven", FILES)
    with pytest.raises(ModelUnavailable, match=r"^The model raven is not pinned: run `triptych models pin raven`\.$"):
        fetched(spec(revision))
    assert local_hub.asked == []


@pytest.mark.parametrize(
    ("is_there", "token", "sentence"),
    [
        (True, None, "is gated, and no token was sent: accept its terms on its page at the hub, and set HF_TOKEN"),
        (True, "hf_other", "is gated, and the account of HF_TOKEN has no access yet"),
        (False, None, "without a token: check the id in models.yaml, or set HF_TOKEN if it is private or gated"),
        (False, "hf_other", "to the account of HF_TOKEN: check the id in models.yaml"),
    ],
)
def test_a_gated_repository_is_told_from_a_missing_one(
    local_hub: LocalHub,
    fetched: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    is_there: bool,
    token: str | None,
    sentence: str,
) -> None:
    commit = local_hub.publish("birds/raven" if is_there else "birds/crow", FILES, is_gated=True)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelUnavailable, match=sentence):
        fetched(spec(commit))
    if is_there:
        monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
        assert content(fetched(spec(commit)))["model.safetensors"] == BIG


def test_a_commit_that_is_gone_is_told(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    local_hub.publish("birds/raven", FILES)
    with pytest.raises(ModelUnavailable, match=r"has no revision 0000.*: run `triptych models pin raven`"):
        fetched(spec("0" * 40))


def test_without_a_network_the_sentence_names_the_bundle(tmp_path: Path) -> None:
    closed = WeightsLocator(tmp_path, tmp_path / "cache", None, Hub("http://127.0.0.1:9"))
    with pytest.raises(ModelUnavailable, match=r"cannot be reached .* `triptych models export` and `import`"):
        closed.locate(spec("0" * 40))


def test_what_is_no_hub_is_told(local_hub: LocalHub, fetched: Callable[..., Path]) -> None:
    local_hub.is_portal = True
    with pytest.raises(ModelUnavailable, match=r"is no hub .*: check the network, HTTPS_PROXY and HF_ENDPOINT"):
        fetched(spec("0" * 40))


def test_a_download_that_the_disk_has_no_room_for_does_not_begin(
    local_hub: LocalHub, fetched: Callable[..., Path]
) -> None:
    pinned = spec(local_hub.publish("birds/raven", FILES))
    local_hub.claimed_size = 10**18
    with pytest.raises(ModelUnavailable, match=r"need \d+.00 GB more, .* free: make room, or set TRIPTYCH_CACHE_DIR"):
        fetched(pinned)
    assert local_hub.downloads() == []


def test_a_disk_that_is_full_midway_keeps_what_is_there(local_hub: LocalHub, hub: Hub, tmp_path: Path) -> None:
    pinned = spec(local_hub.publish("birds/raven", {"model.safetensors": HUGE}))
    found = HubSnapshots(tmp_path / "cache", hub)
    found.files("raven", pinned.source)
    limits = getrlimit(RLIMIT_FSIZE)
    setrlimit(
        RLIMIT_FSIZE, (READ_AT_ONCE, limits[1])
    )  # the system ends a larger file with an error, as a full disk does
    try:
        with pytest.raises(ModelUnavailable, match=r"\(File too large\): make room .* goes on where it stopped"):
            found.fetch("raven", pinned.source, lambda _: None)
    finally:
        setrlimit(RLIMIT_FSIZE, limits)
    found.fetch("raven", pinned.source, lambda _: None)
    assert [sent for _, sent in local_hub.downloads()] == ["", f"bytes={READ_AT_ONCE}-"]
    assert found.faults("raven", pinned.source) == []
