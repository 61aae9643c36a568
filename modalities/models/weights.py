"""Locate the weights of a model: fetch its source to this machine and compute the digest that recipes contain."""

import hashlib
import json
import re
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from modalities.contract import ModelSpec, Weights
from modalities.errors import ModelUnavailable
from modalities.models.hub.client import Hub
from modalities.models.hub.files import total_size
from modalities.models.hub.snapshots import HubSnapshots, hub_digest
from modalities.models.hub.verified import derived_folder
from modalities.models.published import PublishedModels, version_prefix
from modalities.models.weight_files import files_digest, list_weight_files
from storage.atomic_files import create_once
from storage.bucket import Bucket
from storage.errors import RecordCorrupt

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 4 * 1024 * 1024


class WeightsLocator:
    """Locate, download and verify weights. Digests are cached by path, size and modification time."""

    def __init__(self, root: Path, cache: Path, bucket: Bucket | None, hub: Hub | None = None) -> None:
        self._root = root
        self._cache = cache
        self._snapshots = HubSnapshots(cache, hub or Hub())
        self._bucket = bucket
        self._digests: dict[str, str] = {}
        self._published = PublishedModels(bucket) if bucket else None
        self._versions: dict[str, str | None] = {}

    def forget_aliases(self, *, except_for: set[str]) -> None:
        """Drop the cached aliases of all models but these, so that the next access reads them from the bucket."""
        for model in self._versions.keys() - except_for:
            self._versions.pop(model, None)

    def digest(self, spec: ModelSpec) -> str:
        """Return the digest of a model's weights. The files are read only if they changed. Raises ModelUnavailable."""
        version = self._version(spec)
        if version:
            return version
        if spec.source.hub:
            return hub_digest(spec)
        if spec.name not in self._digests:
            self._digests[spec.name] = self._verified_digest(spec)
        return self._digests[spec.name]

    def locate(self, spec: ModelSpec) -> Weights:
        """Return the files of a model, downloading them if necessary. Raises ModelUnavailable."""
        digest = self.digest(spec)
        return Weights(folders=self._folders(spec), digest=digest, cache=derived_folder(self._cache, digest))

    def size_bytes(self, spec: ModelSpec) -> int:
        """Return the total size of a model's files, downloading them if necessary. Raises ModelUnavailable."""
        if spec.source.hub and not self._version(spec):
            return total_size(self._snapshots.files(spec.name, spec.source))
        folders = self._folders(spec)
        return sum(path.stat().st_size for folder in folders for path in list_weight_files(folder, spec.source.files))

    def _version(self, spec: ModelSpec) -> str | None:
        """The published version that the alias names; cached until `forget_aliases`. Raises ModelUnavailable."""
        if not spec.source.alias or self._published is None:
            return None
        try:
            return self._versions[spec.name]  # another thread may drop it at any time
        except KeyError:
            pass
        try:
            version = self._published.version_of(spec.name, spec.source.alias)
        except RecordCorrupt as error:
            sentence = f"Which version of {spec.name} is in use cannot be read: run `triptych publish {spec.name}`."
            raise ModelUnavailable(sentence) from error
        return self._versions.setdefault(spec.name, version)

    def published_folder(self, spec: ModelSpec, digest: str) -> Path:
        """Return the folder of a published version, downloading it if necessary.

        Raises ModelUnavailable if the files do not match its digest.
        """
        folder = self._download(spec.name, version_prefix(spec.name, digest))
        found = self._cached_digest(list_weight_files(folder))
        if found != digest:
            raise ModelUnavailable(
                f"The version {digest[:12]} of {spec.name} in the bucket is not whole: publish it again."
            )
        return folder

    def _folders(self, spec: ModelSpec) -> tuple[Path, ...]:
        source, version = spec.source, self._version(spec)
        if version:
            return (self.published_folder(spec, version),)
        if source.folder:
            return (self._checkout_folder(spec.name, source.folder),)
        if source.packages:
            beside = (self._checkout_folder(spec.name, source.beside),) if source.beside else ()
            return (*(_package_folder(spec.name, package) for package in source.packages), *beside)
        if source.bucket:
            return (self._download(spec.name, source.bucket),)
        if not source.hub:
            raise ModelUnavailable(f"No version of {spec.name} is published as {source.alias}: run `triptych publish`.")
        return (self._snapshots.locate(spec.name, source),)

    def _checkout_folder(self, name: str, folder: str) -> Path:
        path = self._root / folder
        if not path.is_dir():
            raise ModelUnavailable(f"The weights of {name} are not in the folder {folder}.")
        return path

    def _download(self, name: str, prefix: str) -> Path:
        """Download all objects under a prefix to a folder that is named by their keys, etags and sizes."""
        if self._bucket is None:
            raise ModelUnavailable(f"The weights of {name} are in the bucket, and no bucket is configured.")
        prefix = prefix.rstrip("/") + "/"
        objects = list(self._bucket.objects(prefix))
        if not objects:
            raise ModelUnavailable(f"The weights of {name} are not in the bucket under {prefix}.")
        state = hashlib.sha256("".join(f"{o.key}{o.etag}{o.size}" for o in objects).encode()).hexdigest()
        folder = self._cache / "bucket" / state[:32]
        for found in objects:
            target = folder / found.key.removeprefix(prefix)
            if folder.resolve() not in target.resolve().parents:
                raise ModelUnavailable(f"The object {found.key} of {name} would leave its folder.")
            if target.exists() and target.stat().st_size != found.size:
                target.unlink()  # of an earlier version, which wrote it in place
            create_once(target, partial(self._fetch, found.key))
        return folder

    def _fetch(self, key: str, path: Path) -> None:
        assert self._bucket is not None
        with self._bucket.open(key) as stream, path.open("wb") as file:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                file.write(chunk)

    def _verified_digest(self, spec: ModelSpec) -> str:
        """Compute the digest, and compare it with the one in the catalogue. Raises ModelUnavailable."""
        paths = [path for folder in self._folders(spec) for path in list_weight_files(folder, spec.source.files)]
        if not paths:
            raise ModelUnavailable(f"The weights of {spec.name} have no files.")
        digest = self._cached_digest(paths)
        if spec.digest and spec.digest != digest:
            raise ModelUnavailable(
                f"The weights of {spec.name} are not those of the catalogue: "
                f"expected sha256 {spec.digest}, found {digest}."
            )
        return digest

    def _cached_digest(self, paths: list[Path]) -> str:
        """Return the digest of files, from the cache unless a path, size or modification time changed."""
        state = hashlib.sha256(
            json.dumps([(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]).encode()
        ).hexdigest()
        cached = self._cache / "digests" / state
        noted = cached.read_text(encoding="ascii") if cached.exists() else ""
        if _DIGEST.fullmatch(noted):
            return noted
        cached.unlink(missing_ok=True)  # half a note, of an earlier version

        def note(path: Path) -> None:
            path.write_text(files_digest(paths), encoding="ascii")

        return create_once(cached, note).read_text(encoding="ascii")


def _package_folder(name: str, package: str) -> Path:
    """The top-level folder of an installed distribution: its only one, or the one of its name.

    Raises ModelUnavailable if there is none.
    """
    try:
        listed = files(package)
    except PackageNotFoundError as error:
        raise ModelUnavailable(f"The weights of {name} come in the package {package}: install it.") from error
    tops = {  # console scripts are listed as ../../../bin/…
        file.parts[0]: file
        for file in listed or []
        if len(file.parts) > 1 and file.parts[0] != ".." and not file.parts[0].endswith(".dist-info")
    }
    named = package.replace("-", "_")
    if named in tops:
        tops = {named: tops[named]}
    if len(tops) != 1:
        raise ModelUnavailable(f"The package {package} does not carry exactly one folder for {name}.")
    top, file = next(iter(tops.items()))
    return Path(str(file.locate())).parents[len(file.parts) - 2] if file.parts[0] == top else Path(top)
