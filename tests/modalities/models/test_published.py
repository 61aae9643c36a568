"""Published weights: versions in the bucket, aliases that move, and a pool that follows them."""

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
from modalities.models.published import PublishedModels, prefix_of
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
    """Says a text in the voice that its weights name."""

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
    assert published.move(model, "live", first) is None
    assert answers.run(hello).text == "alto: hello"
    old = answers.recipe(hello)
    assert old.weights == first
    second = published.upload(model, voice(tmp_path, "bass"))
    assert published.move(model, "live", second) == first
    assert answers.run(hello).text == "bass: hello"
    assert answers.recipe(hello).weights == second
    published.move(model, "live", published.find(model, "live", "previous"))
    assert answers.find_all([hello]) == [Said(text="alto: hello")]  # known from before: no model runs
    assert answers.recipe(hello) == old


def test_a_model_in_use_stays_what_it_is_until_its_user_is_done(
    answers: Answers, spec: ModelSpec, tmp_path: Path, bucket: Bucket, store: ArtifactStore
) -> None:
    pool = OperatorPool(
        Catalogue(models={spec.name: spec}, profile=PROFILE), WeightsLocator(tmp_path, tmp_path / "cache", bucket)
    )
    published = PublishedModels(bucket)
    with pool.operator(spec.name):
        before = pool.digest(spec.name)
        digest = published.upload(spec.name, voice(tmp_path, "alto"))
        published.move(spec.name, "live", digest)
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
    published.move(model, "live", published.upload(model, tmp_path / "folder"))
    assert answers.find_all([hello]) == [None]
    assert answers.recipe(hello) == before


def test_of_many_who_move_an_alias_at_once_none_is_lost(model: str, tmp_path: Path, bucket: Bucket) -> None:
    published = PublishedModels(bucket)
    versions = [published.upload(model, voice(tmp_path, f"voice-{number}")) for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        before = list(threads.map(lambda digest: published.move(model, "live", digest), versions))
    last = published.version_of(model, "live")
    assert {*before, last} == {None, *versions}  # each stood there once, each saw the one before it
    assert {version.digest for version in published.versions(model)} == set(versions)


def test_a_version_that_lacks_a_file_is_refused_and_an_unknown_one_names_those_there_are(
    answers: Answers, model: str, tmp_path: Path, bucket: Bucket
) -> None:
    published = PublishedModels(bucket)
    digest = published.upload(model, voice(tmp_path, "alto"))
    with pytest.raises(UnknownVersion, match=digest[:12]):
        published.find(model, "live", "0000")
    with pytest.raises(UnknownVersion, match="no one version previous"):
        published.find(model, "live", "previous")
    assert published.find(model, "live", digest[:8]) == digest
    published.move(model, "live", digest)
    bucket.remove(prefix_of(model, digest) + "inner/pitch.txt")
    with pytest.raises(ModelUnavailable, match="is not whole"):
        answers.run(Say(model=model, text="hello"))


def test_a_model_that_waits_for_its_first_version_says_so(tmp_path: Path, bucket: Bucket, model: str) -> None:
    spec = ModelSpec(name=model, operator=f"{__name__}:Echo", source=Source(alias="live"), licence="MIT")
    with pytest.raises(ModelUnavailable, match="run `triptych publish`"):
        WeightsLocator(tmp_path, tmp_path, bucket).locate(spec)
