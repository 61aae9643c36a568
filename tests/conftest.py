"""What the tests share: a real S3 server, stores on it, and the models of the catalogue."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from flows.running.platform import Platform
from flows.running.settings import Settings, load_settings
from modalities.contract import ModelSpec
from modalities.models.weights import WeightsLocator
from stack.home_file import StackFile, read_stack_file
from stack.servers import postgres
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.care.bucket_format import migrate
from storage.index.library import Library
from storage.index.search_index import SearchIndex
from tests import shared_servers
from tests.groups import FolderScheduling, is_xdist_worker, note_groups, order_of
from tests.paths import ROOT, SHARED


def pytest_configure(config: pytest.Config) -> None:
    # A script's background job ignores SIGINT and its children inherit that, but Prefect stops its workers with one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not is_xdist_worker(config):
        shared_servers.open_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not is_xdist_worker(config):
        shared_servers.close_folder()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("shared_data") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="needs the staged data set beside the checkout (../shared/data)"))
    items.sort(key=order_of)
    if is_xdist_worker(config):
        note_groups(items)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The embedded S3 server and Postgres, which all processes of the session share."""
    return load_settings(shared_servers.storage_home())


@pytest.fixture(scope="session")
def stack_home() -> Iterator[Path]:
    """The home of the whole stack, which all processes of the session share."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRIPTYCH_GATEWAY_LOCAL_WEBHOOKS", "true")
        yield shared_servers.stack_home()


@pytest.fixture(scope="session")
def stack_settings(stack_home: Path) -> Settings:
    return load_settings(stack_home)


@pytest.fixture(scope="session")
def platform(settings: Settings) -> Platform:
    """Clients on the session's servers, and the models of the catalogue."""
    return Platform(settings)


@pytest.fixture(scope="session")
def bucket(platform: Platform) -> Bucket:
    """The bucket of the session's S3 server."""
    return platform.bucket


@pytest.fixture
def index(platform: Platform) -> SearchIndex:
    """The search index of the session's Postgres."""
    return platform.index


@pytest.fixture(scope="session")
def new_bucket(platform: Platform) -> Callable[[], Bucket]:
    """Makes empty buckets on the session's S3 server."""

    def make() -> Bucket:
        settings = platform.settings.model_copy(update={"bucket": f"test-{uuid4().hex[:12]}"})
        bucket = Platform(settings).bucket
        bucket.ensure()
        return bucket

    return make


@pytest.fixture
def new_database(settings: Settings) -> Iterator[Callable[[], SecretStr]]:
    """Makes empty databases on the session's Postgres, by their addresses; they are dropped after the test."""
    stack_file = StackFile(read_stack_file(settings.home))
    dsn = postgres.dsn(stack_file.port("postgres.port"), stack_file.postgres_password, "postgres")
    made: list[sql.Identifier] = []

    def make() -> SecretStr:
        name = f"test_{uuid4().hex[:12]}"
        made.append(sql.Identifier(name))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(made[-1]))
        return SecretStr(make_conninfo(**conninfo_to_dict(dsn) | {"dbname": name}))

    yield make
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def new_platform(
    settings: Settings, new_bucket: Callable[[], Bucket], new_database: Callable[[], SecretStr]
) -> Iterator[Callable[..., Platform]]:
    """Makes platforms on an empty bucket and an empty database, with the session's settings but for those given."""
    made: list[Platform] = []

    def make(**changed: object) -> Platform:
        new = {"bucket": new_bucket().name, "postgres_dsn": new_database()}
        made.append(Platform(settings.model_copy(update=new | changed)))
        migrate(made[-1].bucket)
        return made[-1]

    yield make
    for platform in made:
        platform.database.close()


@pytest.fixture
def library(platform: Platform) -> Library:
    """The rows of records in the session's Postgres."""
    return platform.library


@pytest.fixture(scope="session")
def s3_endpoint(bucket: Bucket) -> str:
    """host:port of the S3 server."""
    return bucket.endpoint


@pytest.fixture
def project() -> str:
    """A project that no other test uses."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def store(bucket: Bucket, project: str) -> ArtifactStore:
    """The blobs of a project of the test's own."""
    return ArtifactStore(bucket, project)


@pytest.fixture(scope="session")
def modality_store(bucket: Bucket) -> ArtifactStore:
    """One project that all modality tests share."""
    return ArtifactStore(bucket, "modalities")


@pytest.fixture(scope="session")
def weights_locator(tmp_path_factory: pytest.TempPathFactory) -> WeightsLocator:
    return WeightsLocator(ROOT, tmp_path_factory.mktemp("weights"), None)


@pytest.fixture(scope="session")
def starter_models() -> dict[str, ModelSpec]:
    """The entries of configs/models.yaml."""
    document = yaml.safe_load((ROOT / "configs" / "models.yaml").read_text(encoding="utf-8"))
    return {name: ModelSpec(name=name, **entry) for name, entry in document["models"].items()}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The staged data set beside the checkout."""
    return SHARED
