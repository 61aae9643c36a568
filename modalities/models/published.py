"""Published weights: versions of models in the bucket under models/, and the aliases that say which one is used.

models/<model>/<digest>/…          the files of a version
models/<model>/<digest>.json       written last: the version is whole
models/refs/<model>.<alias>.json   which version the alias stands for, and stood for before; compare-and-swap
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from modalities.errors import UnknownVersion
from modalities.models.weight_files import digest_of, matching
from storage.bucket import Bucket
from storage.refs import MODELS, Refs

_REMEMBERED = 20


class Version(BaseModel):
    """One published version of a model's weights."""

    model_config = ConfigDict(frozen=True)

    digest: str
    published: datetime
    files: dict[str, int]
    """Sizes in bytes by path."""


class PublishedModels:
    """The versions and aliases in one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._refs = Refs(bucket, MODELS)

    def upload(self, model: str, folder: Path) -> str:
        """Store the files of a folder as a version, once; gives the digest that names it."""
        paths = matching(folder)
        if not paths:
            raise UnknownVersion(f"{folder} holds no weights: train the model first.")
        digest = digest_of(paths)
        note = f"{MODELS}/{model}/{digest}.json"
        if self._bucket.stat(note) is None:
            files = {path.relative_to(folder).as_posix(): path for path in paths}
            for name, path in files.items():
                with path.open("rb") as file:
                    self._bucket.put(prefix_of(model, digest) + name, file)
            sizes = {name: path.stat().st_size for name, path in files.items()}
            version = Version(digest=digest, published=datetime.now(UTC), files=sizes)
            self._bucket.create(note, version.model_dump_json().encode(), media_type="application/json")
        return digest

    def versions(self, model: str) -> list[Version]:
        """Every whole version, newest first."""
        notes = [found.key for found in self._bucket.objects(f"{MODELS}/{model}/") if self._is_note(model, found.key)]
        versions = [Version.model_validate_json(self._bucket.get(key)) for key in notes]
        return sorted(versions, key=lambda version: version.published, reverse=True)

    def version_of(self, model: str, alias: str) -> str | None:
        """The digest of the version that the alias stands for; None when it was never set."""
        return self._history(self._refs.get(_ref(model, alias)))[0]

    def find(self, model: str, alias: str, wanted: str) -> str:
        """The digest that begins with `wanted`, or `previous`: what the alias stood for before.

        Raises UnknownVersion, which names the versions that there are.
        """
        if wanted == "previous":
            before = self._history(self._refs.get(_ref(model, alias)))[1:]
            found = before[:1]
        else:
            found = [version.digest for version in self.versions(model) if version.digest.startswith(wanted)]
        if len(found) != 1:
            known = ", ".join(version.digest[:12] for version in self.versions(model)) or "none"
            raise UnknownVersion(f"The model {model} has no one version {wanted} (its versions: {known}).")
        return found[0] or ""

    def move(self, model: str, alias: str, digest: str) -> str | None:
        """Let the alias stand for a version; gives the one that it stood for before."""
        before: list[str | None] = []

        def moved(value: Any | None) -> Any:
            before[:] = self._history(value)
            kept = [old for old in before if old and old != digest]
            return {"digest": digest, "before": kept[:_REMEMBERED]}

        self._refs.update(_ref(model, alias), moved)
        return before[0]

    def _history(self, value: Any | None) -> list[str | None]:
        return [value["digest"], *value["before"]] if value else [None]

    def _is_note(self, model: str, key: str) -> bool:
        rest = key.removeprefix(f"{MODELS}/{model}/")
        return rest.endswith(".json") and "/" not in rest


def prefix_of(model: str, digest: str) -> str:
    """Where the files of a version lie in the bucket."""
    return f"{MODELS}/{model}/{digest}/"


def _ref(model: str, alias: str) -> str:
    return f"{model}.{alias}"
