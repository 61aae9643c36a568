"""Weights are published as versions in the bucket, and a pool loads the version that the alias names."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Self
from uuid import uuid4

import pytest

from flows.running.platform import Platform
from modalities.answers import Answers
from modalities.contract import ModelSpec, Progress, Request, Result, Source, Weights
from modalities.errors import ModelUnavailable, UnknownVersion
from modalities.models.catalogue import Catalogue, Profile
from modalities.models.pool import OperatorPool
from modalities.models.published import PublishedModels, version_prefix
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.recipes import RecipeStore

PROFILE = Profile(pictures="", passages="", speech="", translation=(), generation="")


class Said(Result):
    text: str


class Say(Request[Said]):
    text: str


class Echo:
    """An operator that prefixes the text with the name in its weights."""

    version: ClassVar[str] = "1"
    batch_size = 4

    def __init__(self, voice: str) -> None:
        self._voice = voice

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        return cls((weights.folder / "voice.txt").read_text())

    def __call__(self, requests: Sequence[Say], store: ArtifactStore, progress: Progress) -> list[Said]:
        return [Said(text=f"{self._voice}: {request.text}") for request in requests]


def voice(folder: Path, name: str) -> Path:
    (folder / name / "inner").mkdir(parents=True)
    (folder / name / "voice.txt").write_text(name)
    (folder / name / "inner" / "pitch.txt").write_text("high")
    return folder / name


@pytest.fixture
def model() -> str:
    """A name that no other test publishes under."""
    return f"echo-{uuid4().hex[:8]}"


@pytest.fixture
def spec(model: str, tmp_path: Path) -> ModelSpec:
    voice(tmp_path, "folder")
    source = Source(folder="folder", alias="live")
    return ModelSpec(name=model, operator=f"{__name__}:Echo", source=source, licence="MIT")


@pytest.fixture
def answers(spec: ModelSpec, tmp_path: Path, bucket: Bucket, store: ArtifactStore, platform: Platform) -> Answers:
    catalogue = Catalogue(models={spec.name: spec}, profile=PROFILE)
    pool = OperatorPool(catalogue, WeightsLocator(tmp_path, tmp_path / "cache", bucket))
    return Answers(pool, store, RecipeStore(bucket, store.project), platform.claims)


def test_the_next_request_uses_the_version_that_the_alias_moved_to_and_old_recipes_stay_valid(
    answers: Answers, model: str, tmp_path: Path, bucket: Bucket
) -> None:
    published, hello = PublishedModels(bucket), Say(model=model, text="hello")
    assert answers.run(hello).text == "folder: hello"  # until something is published
    first = published.upload(model, voice(tmp_path, "alto"))
    assert answers.run(hello).text == "folder: hello"  # uploaded, and not in use yet
    assert published.move_alias(model, "live", first) is None
    assert answers.run(hello).text == "alto: hello"
    old = answers.recipe(hello)
    assert old.weights == first
    second = published.upload(model, voice(tmp_path, "bass"))
    assert published.move_alias(model, "live", second) == first
    assert answers.run(hello).text == "bass: hello"
    assert answers.recipe(hello).weights == second
    published.move_alias(model, "live", published.resolve(model, "live", "previous"))
    assert answers.find_all([hello]) == [Said(text="alto: hello")]  # stored before: no model runs
    assert answers.recipe(hello) == old


def test_a_model_in_use_keeps_its_version_until_it_is_idle(
    answers: Answers, spec: ModelSpec, tmp_path: Path, bucket: Bucket, store: ArtifactStore
) -> None:
    pool = OperatorPool(
        Catalogue(models={spec.name: spec}, profile=PROFILE), WeightsLocator(tmp_path, tmp_path / "cache", bucket)
    )
    published = PublishedModels(bucket)
    with pool.operator(spec.name):
        before = pool.digest(spec.name)
        digest = published.upload(spec.name, voice(tmp_path, "alto"))
        published.move_alias(spec.name, "live", digest)
        pool.refresh()
        assert pool.digest(spec.name) == before
    pool.refresh()
    assert pool.digest(spec.name) == digest


def test_a_folder_keeps_its_digest_when_it_is_published(
    answers: Answers, model: str, tmp_path: Path, bucket: Bucket
) -> None:
    hello = Say(model=model, text="hello")
    before = answers.recipe(hello)
    published = PublishedModels(bucket)
    published.move_alias(model, "live", published.upload(model, tmp_path / "folder"))
    assert answers.find_all([hello]) == [None]
    assert answers.recipe(hello) == before


def test_concurrent_moves_of_an_alias_lose_no_update(model: str, tmp_path: Path, bucket: Bucket) -> None:
    published = PublishedModels(bucket)
    versions = [published.upload(model, voice(tmp_path, f"voice-{number}")) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        before = list(threads.map(lambda digest: published.move_alias(model, "live", digest), versions))
    last = published.version_of(model, "live")
    assert {*before, last} == {None, *versions}  # each was current once, and each returned its predecessor
    assert {version.digest for version in published.versions(model)} == set(versions)


def test_an_incomplete_version_is_refused_and_the_error_for_an_unknown_one_lists_the_versions(
    answers: Answers, model: str, tmp_path: Path, bucket: Bucket
) -> None:
    published = PublishedModels(bucket)
    digest = published.upload(model, voice(tmp_path, "alto"))
    with pytest.raises(UnknownVersion, match=digest[:12]):
        published.resolve(model, "live", "0000")
    with pytest.raises(UnknownVersion, match="no one version previous"):
        published.resolve(model, "live", "previous")
    assert published.resolve(model, "live", digest[:8]) == digest
    published.move_alias(model, "live", digest)
    bucket.remove(version_prefix(model, digest) + "inner/pitch.txt")
    with pytest.raises(ModelUnavailable, match="is not whole"):
        answers.run(Say(model=model, text="hello"))


def test_an_alias_without_a_published_version_is_an_error_that_says_to_publish(
    tmp_path: Path, bucket: Bucket, model: str
) -> None:
    spec = ModelSpec(name=model, operator=f"{__name__}:Echo", source=Source(alias="live"), licence="MIT")
    with pytest.raises(ModelUnavailable, match="run `triptych publish`"):
        WeightsLocator(tmp_path, tmp_path, bucket).locate(spec)
