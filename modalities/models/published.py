"""Publish versions of weights to the bucket, and move the aliases that select the version in use.

models/<model>/<digest>/…          the files of a version
models/<model>/<digest>.json       manifest, written last: its presence marks the version as complete
models/refs/<model>.<alias>.json   the alias: the current version and the earlier ones; updated by compare-and-swap
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from modalities.errors import UnknownVersion
from modalities.models.weight_files import files_digest, list_weight_files
from storage.bucket import Bucket
from storage.errors import RecordCorrupt
from storage.refs import MODELS, Refs

_HISTORY_LENGTH = 20
_FACTS = "facts.json"


class ModelVersion(BaseModel):
    """The manifest of one published version of a model's weights."""

    model_config = ConfigDict(frozen=True)

    digest: str
    published: datetime
    files: dict[str, int]
    """Sizes in bytes by path."""
    facts: dict[str, Any] = {}
    """What its `facts.json` says: recipe, dataset, metrics, code and cost."""


class _Alias(BaseModel):
    """The digest of the version in use, and those of earlier ones, newest first."""

    digest: str
    before: list[str]
    decisions: list[dict[str, Any]] = []
    """Why it was moved, the newest first."""


_SHAPE = TypeAdapter(_Alias)


class PublishedModels:
    """The versions and aliases in one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._refs = Refs(bucket, MODELS)

    def upload(self, model: str, folder: Path) -> str:
        """Upload the files of a folder as a version, unless it exists, and return its digest. Raises UnknownVersion."""
        paths = list_weight_files(folder)
        if not paths:
            raise UnknownVersion(f"{folder} holds no weights: train the model first.")
        digest = files_digest(paths)
        manifest = f"{MODELS}/{model}/{digest}.json"
        if self._bucket.stat(manifest) is None:
            files = {path.relative_to(folder).as_posix(): path for path in paths}
            for name, path in files.items():
                with path.open("rb") as file:
                    self._bucket.put(version_prefix(model, digest) + name, file)
            sizes = {name: path.stat().st_size for name, path in files.items()}
            version = ModelVersion(digest=digest, published=datetime.now(UTC), files=sizes, facts=_facts(folder))
            self._bucket.create(manifest, version.model_dump_json().encode(), media_type="application/json")
        return digest

    def versions(self, model: str) -> list[ModelVersion]:
        """List the complete versions, newest first."""
        manifests = [
            found.key for found in self._bucket.objects(f"{MODELS}/{model}/") if self._is_manifest(model, found.key)
        ]
        versions = [ModelVersion.model_validate_json(self._bucket.get(key)) for key in manifests]
        return sorted(versions, key=lambda version: version.published, reverse=True)

    def version_of(self, model: str, alias: str) -> str | None:
        """Return the digest of the version that the alias names; None if it was never set. Raises RecordCorrupt."""
        return _history(self._refs.get_as(_ref(model, alias), _SHAPE))[0]

    def resolve(self, model: str, alias: str, wanted: str) -> str:
        """Return the full digest for a prefix of it, or for `previous`: the version that the alias named before.

        Raises UnknownVersion, which lists the existing versions.
        """
        if wanted == "previous":
            before = _history(self._refs.get_as(_ref(model, alias), _SHAPE))[1:]
            found = before[:1]
        else:
            found = [version.digest for version in self.versions(model) if version.digest.startswith(wanted)]
        if len(found) != 1:
            known = ", ".join(version.digest[:12] for version in self.versions(model)) or "none"
            raise UnknownVersion(f"The model {model} has no one version {wanted} (its versions: {known}).")
        return found[0] or ""

    def decisions(self, model: str, alias: str) -> list[dict[str, Any]]:
        """Why the alias was moved, the newest first."""
        alias_now = self._refs.get_as(_ref(model, alias), _SHAPE)
        return alias_now.decisions if alias_now else []

    def move_alias(self, model: str, alias: str, digest: str, decision: Mapping[str, Any] | None = None) -> str | None:
        """Point the alias to a version, and return the version that it named before; `decision` is kept: why.

        An alias that cannot be read is set anew.
        """
        before: list[str | None] = []

        def swap(value: _Alias | None) -> Any:
            before[:] = _history(value)
            kept = [old for old in before if old and old != digest]
            told = {"digest": digest, "time": datetime.now(UTC).isoformat(timespec="seconds"), **(decision or {})}
            decisions = [told, *(value.decisions if value else [])][:_HISTORY_LENGTH]
            return _Alias(digest=digest, before=kept[:_HISTORY_LENGTH], decisions=decisions).model_dump()

        try:
            self._refs.update(_ref(model, alias), swap, _SHAPE)
        except RecordCorrupt:
            self._refs.remove(_ref(model, alias))
            self._refs.update(_ref(model, alias), swap, _SHAPE)
        return before[0]

    def _is_manifest(self, model: str, key: str) -> bool:
        rest = key.removeprefix(f"{MODELS}/{model}/")
        return rest.endswith(".json") and "/" not in rest


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / _FACTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _history(alias: _Alias | None) -> list[str | None]:
    return [alias.digest, *alias.before] if alias else [None]


def version_prefix(model: str, digest: str) -> str:
    """Return the key prefix of a version's files in the bucket."""
    return f"{MODELS}/{model}/{digest}/"


def _ref(model: str, alias: str) -> str:
    return f"{model}.{alias}"
