"""The versions of datasets in the bucket, one project at a time.

blobs/…                    the manifest of each version: an artifact
refs/datasets/NAME.json    the versions of a dataset, oldest first, changed by compare-and-swap: it keeps the manifests
                           from garbage collection, and a backup copies both
"""

import re
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.artifacts import Artifact, ArtifactStore, Sha256
from storage.refs import Refs
from training.datasets.manifest import Collected, InvalidDataset, Kind, Manifest
from training.pipeline import TrainingError

FOLDER = "datasets"
"""The folder of the references."""
MEDIA_TYPE = "application/json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class UnknownDataset(TrainingError):
    """The project has no dataset, or no version, of this name."""


class DatasetVersion(BaseModel):
    """What the reference says about one version; `parent` is the version before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Artifact
    parent: Sha256 | None = None
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    kind: Kind
    source: str
    """What it was made from, such as `labels cat, dog` or the name of a file."""
    licence: str = ""
    counts: dict[str, dict[str, int]]
    """Items by split and label; those without a label under an empty name."""
    left_out: dict[str, int] = {}
    personal: dict[str, int] = {}
    """Items with personal data, by its kind; those that were masked count as `masked`."""

    @property
    def digest(self) -> str:
        return self.manifest.sha256

    @property
    def size(self) -> int:
        """The number of items."""
        return sum(count for labels in self.counts.values() for count in labels.values())


class Datasets:
    """The datasets of one project."""

    def __init__(self, store: ArtifactStore, refs: Refs) -> None:
        self._store = store
        self._refs = refs

    def add(
        self, name: str, collected: Collected, source: str, personal: dict[str, int] | None = None
    ) -> tuple[DatasetVersion, bool]:
        """Store a version; returns it, and whether it is new: an equal latest version stays. Raises InvalidDataset."""
        manifest = collected.manifest
        stored = self._store.put(manifest.encode(), MEDIA_TYPE)
        made = DatasetVersion(
            manifest=stored,
            kind=manifest.kind,
            source=source,
            licence=manifest.licence,
            counts=manifest.counts(),
            left_out={reason: len(items) for reason, items in collected.left_out.items()},
            personal=personal or {},
        )
        added: list[DatasetVersion] = []

        def append(value: Any | None) -> Any:
            known = _parse(value)
            added[:] = [known[-1]] if known and known[-1].digest == made.digest else []
            if not added:
                parent = known[-1].digest if known else None
                added[:] = [made.model_copy(update={"parent": parent})]
                known = [*known, *added]
            return [version.model_dump(mode="json") for version in known]

        self._refs.update(_ref(name), append)
        return added[0], added[0].created == made.created

    def versions(self, name: str) -> list[DatasetVersion]:
        """The versions of a dataset, newest first. Raises UnknownDataset."""
        found = _parse(self._refs.get(_ref(name)))
        if not found:
            known = ", ".join(self.names()) or "none: make one with `triptych dataset create`"
            raise UnknownDataset(f"Project {self._refs.project} has no dataset {name} (its datasets: {known}).")
        return found[::-1]

    def find(self, name: str) -> DatasetVersion:
        """The version that NAME (the newest) or NAME@DIGEST (the beginning of one) means. Raises UnknownDataset."""
        dataset, _, digest = name.partition("@")
        found = [version for version in self.versions(dataset) if version.digest.startswith(digest)]
        if not found:
            known = ", ".join(version.digest[:12] for version in self.versions(dataset))
            raise UnknownDataset(f"The dataset {dataset} has no version {digest} (its versions: {known}).")
        return found[0]

    def read(self, version: DatasetVersion) -> Manifest:
        """The items of a version. Raises ArtifactNotFound, ArtifactCorrupt."""
        return Manifest.model_validate_json(self._store.get(version.manifest))

    def names(self) -> list[str]:
        """The names of the datasets, sorted."""
        return sorted(name.removeprefix(f"{FOLDER}/") for name in self._refs.names(FOLDER))

    def delete(self, name: str) -> None:
        """Forget a dataset; garbage collection removes its manifests later. Raises UnknownDataset."""
        self.versions(name)
        self._refs.remove(_ref(name))


def _ref(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidDataset(f"{name[:80]!r} cannot name a dataset: use a-z, 0-9 and -, at most 63 characters.")
    return f"{FOLDER}/{name}"


def _parse(value: Any | None) -> list[DatasetVersion]:
    try:
        return [DatasetVersion.model_validate(version) for version in value or []]
    except ValidationError as error:
        raise InvalidDataset("The versions of this dataset cannot be read: run `triptych verify`.") from error
