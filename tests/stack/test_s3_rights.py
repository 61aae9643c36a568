"""The S3 policies of each role, enforced by a real server."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from stack.processes import free_ports, stop_process
from stack.servers import seaweed
from stack.servers.s3_rights import Identity
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.errors import ArtifactNotFound, ObjectNotFound, StorageError, StorageRefused
from storage.records import ArtifactRecord, Records
from tests.paths import SAMPLES

KEYS = {"admin": "adminkey", "worker": "workerkey", "gateway": "gatewaykey"}


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Bucket]]:
    """Return a function that connects to the bucket as a role; the worker has access to the project `alpha` only."""
    home = tmp_path_factory.mktemp("rights")
    ports = dict(zip(seaweed.PORTS, free_ports(len(seaweed.PORTS)), strict=True))

    def connected(role: str) -> Bucket:
        return Bucket.connect(
            endpoint=f"127.0.0.1:{ports['s3.port']}",
            access_key=KEYS[role],
            secret_key=f"secret of {role}",
            name="triptych",
            secure=False,
            region="us-east-1",
        )

    identities = [
        Identity("worker", KEYS["worker"], SecretStr("secret of worker"), projects=("alpha",)),
        Identity("gateway", KEYS["gateway"], SecretStr("secret of gateway")),
    ]
    admin = connected("admin")
    keys = (KEYS["admin"], "secret of admin")
    try:
        seaweed.start_seaweed(home, ports=ports, bucket=admin, keys=keys, token="t" * 32, identities=identities)
        for folder in (
            "inbox",
            "quarantine",
            "tmp",
            "models",
            "gateway/tokens",
            "alpha/blobs",
            "alpha/artifacts",
            "beta/blobs",
        ):
            admin.put(f"{folder}/there", b"there")
        yield connected
    finally:
        stop_process(home, seaweed.NAME)


@pytest.fixture
def worker(connect: Callable[[str], Bucket]) -> Bucket:
    return connect("worker")


@pytest.fixture
def admin(connect: Callable[[str], Bucket]) -> Bucket:
    return connect("admin")


def refused(work: Callable[[], object]) -> bool:
    try:
        work()
    except StorageRefused:
        return True
    return False


def test_a_worker_may_store_and_record_in_its_project(worker: Bucket) -> None:
    store = ArtifactStore(worker, "alpha")
    small = store.put(b"small", "text/plain")
    with (SAMPLES / "reading.wav").open("rb") as file:
        large = store.put(file, "audio/wav")
    assert store.get(small) == b"small"
    assert store.exists(large.sha256)
    record, is_new = Records(worker, "alpha").add(ArtifactRecord(artifact=small, project="alpha", name="small"))
    assert is_new
    assert Records(worker, "alpha").resolve(small.sha256[:12]) == record


def test_a_worker_may_move_files_only_out_of_the_inbox(worker: Bucket, admin: Bucket) -> None:
    admin.put("inbox/moves", b"moves")
    worker.copy("inbox/moves", "quarantine/moves")
    worker.remove_all(["inbox/moves"])
    assert admin.stat("inbox/moves") is None
    assert admin.get("quarantine/moves") == b"moves"
    assert refused(lambda: worker.put("inbox/new", b"new"))
    worker.check_conditional_writes()


@pytest.mark.parametrize(
    "key", ["alpha/blobs/there", "alpha/artifacts/there", "quarantine/there", "models/there", "beta/blobs/there"]
)
def test_a_worker_cannot_delete_what_is_kept(worker: Bucket, admin: Bucket, key: str) -> None:
    assert refused(lambda: worker.remove(key))
    with pytest.raises(StorageError):
        worker.remove_all([key])
    assert admin.get(key) == b"there"


def test_a_worker_cannot_leave_its_project(worker: Bucket, admin: Bucket) -> None:
    assert refused(lambda: worker.get("beta/blobs/there"))
    assert refused(lambda: worker.stat("beta/blobs/there"))
    assert refused(lambda: worker.put("beta/blobs/new", b"new"))
    assert refused(lambda: worker.create("beta/blobs/new", b"new"))
    assert refused(lambda: worker.copy("beta/blobs/there", "alpha/blobs/stolen"))
    assert refused(lambda: worker.copy("alpha/blobs/there", "beta/blobs/new"))
    assert refused(lambda: list(worker.objects("beta/")))
    assert refused(lambda: list(worker.objects("")))
    link = worker.presign_get("beta/blobs/there", expires=timedelta(minutes=1), media_type="text/plain", disposition="")
    assert httpx.get(link).status_code == 403
    assert [found.key for found in admin.objects("beta/")] == ["beta/blobs/there"]


def test_a_worker_cannot_read_tokens_or_change_models(worker: Bucket, connect: Callable[[str], Bucket]) -> None:
    assert refused(lambda: worker.get("gateway/tokens/there"))
    assert refused(lambda: worker.put("gateway/tokens/mine", b"mine"))
    assert worker.get("models/there") == b"there"
    assert refused(lambda: worker.put("models/there", b"other"))
    everywhere = connect("gateway")
    assert everywhere.get("gateway/tokens/there") == b"there"
    assert refused(lambda: everywhere.put("models/there", b"other"))
    assert refused(lambda: everywhere.remove("beta/blobs/there"))
    everywhere.put("inbox/dropped", b"dropped")


def test_role_identities_cannot_manage_users_or_buckets(connect: Callable[[str], Bucket], worker: Bucket) -> None:
    assert refused(worker.ensure)
    form = {"Action": "ListUsers", "Version": "2010-05-08"}
    assert httpx.post(f"http://{worker.endpoint}/", data=form).status_code in (400, 403)


def test_ids_of_a_project_are_not_found_from_another(bucket: Bucket, project: str) -> None:
    ours, theirs = ArtifactStore(bucket, project), ArtifactStore(bucket, f"{project}-b")
    secret = ours.put(b"ours alone", "text/plain")
    Records(bucket, project).add(ArtifactRecord(artifact=secret, project=project, name="secret.txt"))
    assert theirs.find(secret.sha256) is None
    with pytest.raises(ArtifactNotFound):
        theirs.get(secret)
    for identity in (secret.sha256, secret.sha256[:8], f"../../{project}/artifacts/{secret.sha256}"):
        with pytest.raises(ArtifactNotFound):
            Records(bucket, theirs.project).resolve(identity)
    with pytest.raises(ObjectNotFound):
        bucket.get(f"{theirs.project}/artifacts/{secret.sha256}.json")
