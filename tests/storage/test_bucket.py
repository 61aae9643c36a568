"""The bucket and what is stored in it, on the real S3 server."""

import hashlib
import io
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from storage.artifacts import Artifact, ArtifactStore
from storage.bucket import Bucket
from storage.errors import (
    ArtifactCorrupt,
    ArtifactNotFound,
    Conflict,
    InvalidName,
    ObjectNotFound,
    StorageRefused,
    StorageUnavailable,
    TooLarge,
)
from storage.recipes import Recipe, RecipeRecord, RecipeStore, canonical_json
from storage.records import ArtifactRecord, Records, kind_of, list_projects
from storage.refs import Refs


def test_what_is_put_is_what_is_read(bucket: Bucket) -> None:
    bucket.put("tmp/a", b"bytes", metadata={"name": "x"})
    assert bucket.get("tmp/a") == b"bytes"
    found = bucket.stat("tmp/a")
    assert found is not None
    assert (found.size, found.metadata) == (5, {"name": "x"})


def test_a_presigned_upload_takes_as_many_bytes_as_it_was_signed_for_and_no_others(bucket: Bucket) -> None:
    key = f"tmp/{uuid4()}/a file+ü"
    url = bucket.presign_put(key, 1000, expires=timedelta(minutes=5))
    for body in (bytes(1001), bytes(100_000_000 // 64), bytes(999), b"", iter([bytes(1000)])):  # the last is chunked
        assert httpx.put(url, content=body).status_code in (400, 403, 411)
        assert bucket.stat(key) is None
    assert httpx.put(url, content=bytes(1000)).status_code == 200
    assert bucket.get(key) == bytes(1000)
    assert httpx.put(url.replace("a%20file", "another"), content=bytes(1000)).status_code == 403


def test_a_missing_object_raises_object_not_found(bucket: Bucket) -> None:
    assert bucket.stat("tmp/nothing") is None
    with pytest.raises(ObjectNotFound, match="tmp/nothing"):
        bucket.get("tmp/nothing")


def test_only_the_first_create_wins(bucket: Bucket) -> None:
    key = f"tmp/{uuid4()}"
    assert bucket.create(key, b"first")
    assert not bucket.create(key, b"second")
    assert bucket.get(key) == b"first"


def test_a_create_with_the_same_bytes_succeeds_again(bucket: Bucket) -> None:
    key = f"tmp/{uuid4()}"
    assert bucket.create(key, b"same")
    assert bucket.create(key, b"same")


def test_a_swap_with_an_old_etag_is_refused(bucket: Bucket) -> None:
    key = f"tmp/{uuid4()}"
    bucket.create(key, b"one")
    _, etag = bucket.read_versioned(key)
    bucket.replace(key, b"two", etag=etag)
    with pytest.raises(Conflict):
        bucket.replace(key, b"three", etag=etag)
    assert bucket.get(key) == b"two"


def test_the_server_honours_conditional_writes(bucket: Bucket) -> None:
    bucket.check_conditional_writes()


def test_listing_copying_and_removing(bucket: Bucket) -> None:
    for name in ("b", "a"):
        bucket.put(f"tmp/list/{name}", name.encode())
    bucket.copy("tmp/list/a", "tmp/list/c")
    assert [found.key for found in bucket.objects("tmp/list/")] == ["tmp/list/a", "tmp/list/b", "tmp/list/c"]
    bucket.remove_all(["tmp/list/a", "tmp/list/b", "tmp/list/c"])
    assert list(bucket.objects("tmp/list/")) == []


def test_wrong_credentials_and_an_unreachable_server_raise_different_errors(bucket: Bucket, s3_endpoint: str) -> None:
    def other(endpoint: str) -> Bucket:
        return Bucket.connect(
            endpoint=endpoint,
            access_key="nobody",
            secret_key="nothing",
            name="triptych",
            secure=False,
            region="us-east-1",
            patience_seconds=0.5,
        )

    with pytest.raises(StorageRefused):
        other(s3_endpoint).get("tmp/a")
    with pytest.raises(StorageUnavailable):
        other("127.0.0.1:1").get("tmp/a")


def test_equal_bytes_are_one_artifact(store: ArtifactStore, bucket: Bucket) -> None:
    first = store.put(b"the same", "text/plain")
    second = store.put(io.BytesIO(b"the same"), "text/plain")
    assert first == second
    assert first.sha256 == hashlib.sha256(b"the same").hexdigest()
    assert len(list(bucket.objects(f"{store.project}/blobs/"))) == 1


def test_a_stream_larger_than_a_part_arrives_whole_and_leaves_no_upload(store: ArtifactStore, bucket: Bucket) -> None:
    data = bytes(range(256)) * 4096 * 40
    before = {found.key for found in bucket.objects("tmp/")}
    artifact = store.put(io.BytesIO(data), "application/octet-stream")
    assert artifact.size == len(data)
    with store.local(artifact, ".bin") as path:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256
    assert {found.key for found in bucket.objects("tmp/")} == before


@pytest.mark.parametrize("source", [b"x" * 101, io.BytesIO(b"x" * 101)])
def test_too_many_bytes_are_refused_and_not_kept(store: ArtifactStore, bucket: Bucket, source: bytes) -> None:
    with pytest.raises(TooLarge):
        store.put(source, "text/plain", max_bytes=100)
    assert list(bucket.objects(f"{store.project}/")) == []


def test_changed_bytes_raise_artifact_corrupt(store: ArtifactStore, bucket: Bucket) -> None:
    artifact = store.put(b"original", "text/plain")
    key = next(iter(bucket.objects(f"{store.project}/blobs/"))).key
    bucket.put(key, b"0riginal")
    with pytest.raises(ArtifactCorrupt, match=artifact.sha256):
        store.get(artifact)


def test_a_missing_artifact_raises_artifact_not_found(store: ArtifactStore) -> None:
    nowhere = Artifact(sha256="0" * 64, media_type="text/plain", size=1)
    with pytest.raises(ArtifactNotFound):
        store.get(nowhere)


def test_a_presigned_link_needs_no_credentials(store: ArtifactStore) -> None:
    import httpx

    artifact = store.put(b"for all", "text/plain")
    answer = httpx.get(store.url(artifact, "naïve name.txt"))
    assert (answer.status_code, answer.content) == (200, b"for all")
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["", "inbox", "tmp", "../up", "Big", "a/b", "x" * 64])
def test_an_invalid_project_name_is_refused(bucket: Bucket, name: str) -> None:
    with pytest.raises(InvalidName):
        ArtifactStore(bucket, name)


def test_the_first_record_of_an_artifact_is_kept(store: ArtifactStore, bucket: Bucket) -> None:
    records = Records(bucket, store.project)
    artifact = store.put(b"a picture", "image/png")
    first, was_new = records.add(ArtifactRecord(artifact=artifact, project=store.project, name="first.png"))
    again, was_new_again = records.add(ArtifactRecord(artifact=artifact, project=store.project, name="second.png"))
    assert (was_new, was_new_again) == (True, False)
    assert again == first
    assert records.resolve(artifact.sha256[:10]) == first
    assert list(records.all()) == [first]
    assert first.kind == "image"
    assert store.project in list_projects(bucket)
    with pytest.raises(ArtifactNotFound):
        records.resolve("abc")
    assert records.find("0" * 64) is None


def test_media_types_have_kinds() -> None:
    kinds = [kind_of(name) for name in ("image/png", "audio/flac", "video/mp4", "text/plain", "application/json")]
    assert kinds == ["image", "speech", "speech", "text", "data"]


def test_the_first_result_of_a_recipe_is_kept(store: ArtifactStore, bucket: Bucket) -> None:
    book = RecipeStore(bucket, store.project)
    recipe = Recipe(operator="shout", version="1", weights="none", request={"text": "hé"})
    assert book.find(recipe.key) is None
    first = book.add(RecipeRecord(recipe=recipe, result={"text": "HÉ"}))
    second = book.add(RecipeRecord(recipe=recipe, result={"text": "other"}))
    assert second == first
    assert book.find(recipe.key) == first
    assert [record.recipe for record in book.read_all()[0]] == [recipe]


def test_the_order_of_keys_does_not_change_a_recipe() -> None:
    assert canonical_json({"b": 1, "a": [1.5, "ü"]}) == '{"a":[1.5,"ü"],"b":1}'.encode()


def test_concurrent_updates_of_a_reference_are_not_lost(store: ArtifactStore, bucket: Bucket) -> None:
    from concurrent.futures import ThreadPoolExecutor

    refs = Refs(bucket, store.project)
    assert refs.get("counter") is None
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: refs.update("counter", lambda value: (value or 0) + 1), range(6)))
    assert refs.get("counter") == 6
    with pytest.raises(InvalidName):
        refs.get("../x")


def test_a_reference_that_is_removed_during_an_update_is_created_again(store: ArtifactStore, bucket: Bucket) -> None:
    refs = Refs(bucket, store.project)
    refs.update("fleeting", lambda _: 1)
    seen: list[object] = []

    def change(value: object) -> int:
        if not seen:
            refs.remove("fleeting")
        seen.append(value)
        return 2

    assert refs.update("fleeting", change) == 2
    assert (seen, refs.get("fleeting")) == ([1, None], 2)
