"""The composition root: build every client from the settings. Lower layers receive what they need from here."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from flows.running.settings import Settings, load_settings
from media.sandbox import Decoders
from modalities.answers import Answers
from modalities.errors import ModelFault
from modalities.models.catalogue import Catalogue, Profile, load_catalogue
from modalities.models.hub.client import Hub
from modalities.models.memory_footprints import FootprintStore
from modalities.models.model_cache import CacheLimits
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from storage.artifacts import ArtifactStore
from storage.bucket import Bucket
from storage.care.bucket_format import check_format
from storage.claims import Claims
from storage.errors import StorageRefused
from storage.index.database import Database
from storage.index.library import Library
from storage.index.search_index import SearchIndex
from storage.index.waiting import WaitingFiles
from storage.labels import Labels
from storage.recipes import RecipeStore
from storage.records import Records
from storage.refs import Refs


class Platform:
    """The clients and models of one process, each built at first use and kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def bucket(self) -> Bucket:
        settings = self.settings
        return Bucket.connect(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            name=settings.bucket,
            secure=settings.s3_secure,
            region=settings.s3_region,
            patience_seconds=settings.patience_seconds,
            public_url=settings.s3_public_url,
        )

    @cached_property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.settings.models_config, self.settings.profile)

    @cached_property
    def locator(self) -> WeightsLocator:
        settings = self.settings
        return WeightsLocator(settings.root, settings.cache_dir, self.bucket, Hub(settings.hub_endpoint))

    @cached_property
    def pool(self) -> OperatorPool:
        return OperatorPool(self.catalogue, self.locator, self._cache_limits(), FootprintStore(self.bucket))

    @cached_property
    def database(self) -> Database:
        return Database.connect(self.settings.postgres_dsn.get_secret_value(), self.settings.patience_seconds)

    @cached_property
    def decoders(self) -> Decoders:
        """Decode untrusted files in sandboxed processes."""
        return Decoders()

    @cached_property
    def index(self) -> SearchIndex:
        index = SearchIndex(self.database)
        index.ensure_schema()
        return index

    @cached_property
    def library(self) -> Library:
        library = Library(self.database)
        library.ensure_schema()
        return library

    @cached_property
    def waiting(self) -> WaitingFiles:
        """The files of the inbox that wait for something of the platform's own."""
        waiting = WaitingFiles(self.database)
        waiting.ensure_schema()
        return waiting

    def _cache_limits(self) -> CacheLimits:
        settings = self.settings
        return CacheLimits(
            memory_bytes=settings.models_memory_mb and settings.models_memory_mb * 1_000_000,
            cuda_bytes=settings.models_gpu_memory_mb and settings.models_gpu_memory_mb * 1_000_000,
            idle_seconds=settings.models_idle_seconds or None,
        )

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.settings.postgres_dsn.get_secret_value(), self.settings.patience_seconds)

    @cached_property
    def background(self) -> dict[tuple[str, str], tuple[int, tuple[tuple[float, float], ...]]]:
        """The measured calibration by vector space and kind of part: the size of its sample, and its lines."""
        return {}

    def vector_space(self, model: str) -> str:
        """Return the name of the vector space of a model. It contains a digest of all that decides a vector."""
        return f"{model}@{self.pool.fingerprint(model)[:16]}"

    def find_vector_space(self, model: str) -> str | None:
        """Return the name of the vector space of a model; None as long as its weights are missing."""
        try:
            return self.vector_space(model)
        except ModelFault:
            return None

    def model_of_space(self, name: str) -> str | None:
        """Return the configured model that makes the vectors of a space; None if there is none any more.

        Spaces of the first releases are named by the digest of the weights alone.
        """
        model = name.rpartition("@")[0]
        if model not in self.catalogue.models:
            return None
        first_name = f"{model}@{self.pool.digest(model)[:16]}"
        return model if name in (self.vector_space(model), first_name) else None

    def space(self, project: str) -> "Space":
        """Open the data of one project. Raises InvalidName."""
        store = ArtifactStore(self.bucket, project)
        recipes = RecipeStore(self.bucket, project)
        return Space(
            platform=self,
            store=store,
            records=Records(self.bucket, project, on_add=lambda record: self.library.add(record)),
            labels=Labels(self.bucket, project),
            recipes=recipes,
            refs=Refs(self.bucket, project),
            answers=Answers(self.pool, store, recipes, self.claims),
        )


@dataclass(frozen=True)
class Space:
    """The data of one project (blobs, records, labels, recipes, references), and the answers of models about it."""

    platform: Platform
    store: ArtifactStore
    records: Records
    labels: Labels
    recipes: RecipeStore
    refs: Refs
    answers: Answers

    @property
    def project(self) -> str:
        return self.store.project

    @property
    def index(self) -> SearchIndex:
        return self.platform.index

    @property
    def library(self) -> Library:
        return self.platform.library

    @property
    def catalogue(self) -> Catalogue:
        return self.platform.catalogue

    @property
    def profile(self) -> Profile:
        return self.platform.catalogue.profile


@lru_cache
def open_platform(home: Path | None = None) -> Platform:
    """Open the platform of this process, once. Raises SettingsMissing, or WrongFormat for an unknown bucket format."""
    platform = Platform(load_settings(home))
    # Credentials limited to one project cannot read format.json; `triptych up` has checked it.
    with suppress(StorageRefused):
        check_format(platform.bucket)
    return platform
