"""Weights: from a source in the catalogue to files on this machine, with the digest that recipes name."""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from modalities.errors import ModelUnavailable
from modalities.operator import ModelSpec, Source, Weights
from storage.bucket import Bucket

_NEVER = (".pkl", ".pickle", ".py", ".pyc")
_CHUNK = 4 * 1024 * 1024


class WeightsLocator:
    """Finds, fetches and verifies weights; remembers digests by path, size and time of change."""

    def __init__(self, root: Path, cache: Path, bucket: Bucket | None) -> None:
        self._root = root
        self._cache = cache
        self._bucket = bucket
        self._digests: dict[str, str] = {}

    def digest(self, spec: ModelSpec) -> str:
        """The digest of a model's weights; reads the files only when they changed since the last time."""
        if spec.source.hub:
            return hashlib.sha256(f"{spec.source.hub}@{spec.source.revision}".encode()).hexdigest()
        if spec.name not in self._digests:
            self._digests[spec.name] = self._digest_of_files(spec)
        return self._digests[spec.name]

    def locate(self, spec: ModelSpec) -> Weights:
        """The files of a model, on this machine. Raises ModelUnavailable."""
        digest = self.digest(spec)
        return Weights(folders=self._folders(spec), digest=digest, cache=self._cache / "derived" / digest[:32])

    def size_bytes(self, spec: ModelSpec) -> int:
        """How large the files of a model are, on this machine. Raises ModelUnavailable."""
        folders = self._folders(spec)
        return sum(path.stat().st_size for folder in folders for path in _matching(folder, spec.source.files))

    def _folders(self, spec: ModelSpec) -> tuple[Path, ...]:
        source = spec.source
        if source.folder:
            return (self._folder(spec.name, source.folder),)
        if source.packages:
            return tuple(_package_folder(spec.name, package) for package in source.packages)
        if source.bucket:
            return (self._download(spec.name, source.bucket),)
        return (self._from_hub(spec.name, source),)

    def _folder(self, name: str, folder: str) -> Path:
        path = self._root / folder
        if not path.is_dir():
            raise ModelUnavailable(f"The weights of {name} are not in the folder {folder}.")
        return path

    def _from_hub(self, name: str, source: Source) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

        try:
            folder = snapshot_download(
                repo_id=(source.hub or "").removeprefix("hf-hub:"),  # as open_clip writes it
                revision=source.revision,
                cache_dir=self._cache / "hub",
                allow_patterns=list(source.files) or None,
                ignore_patterns=[*_pickled(source.files), *(f"*{ending}" for ending in _NEVER)],
            )
        except (LocalEntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
            raise ModelUnavailable(
                f"The weights of {name} ({source.hub} at {source.revision}) cannot be had from the hub: "
                "check the network, the id and the revision."
            ) from error
        return Path(folder)

    def _download(self, name: str, prefix: str) -> Path:
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
            if target.exists() and target.stat().st_size == found.size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            with self._bucket.open(found.key) as stream, partial.open("wb") as file:
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    file.write(chunk)
            partial.replace(target)
        return folder

    def _digest_of_files(self, spec: ModelSpec) -> str:
        paths = [path for folder in self._folders(spec) for path in _matching(folder, spec.source.files)]
        if not paths:
            raise ModelUnavailable(f"The weights of {spec.name} have no files.")
        state = hashlib.sha256(
            json.dumps([(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]).encode()
        ).hexdigest()
        note = self._cache / "digests" / state
        if note.exists():
            digest = note.read_text()
        else:
            digest = _hash_files(paths)
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(digest)
        if spec.digest and spec.digest != digest:
            raise ModelUnavailable(
                f"The weights of {spec.name} are not those of the catalogue: "
                f"expected sha256 {spec.digest}, found {digest}."
            )
        return digest


def _package_folder(name: str, package: str) -> Path:
    """The top folder that an installed distribution put its data in."""
    try:
        listed = files(package)
    except PackageNotFoundError as error:
        raise ModelUnavailable(f"The weights of {name} come in the package {package}: install it.") from error
    tops = {  # a package's commands are listed as ../../../bin/…
        file.parts[0]: file
        for file in listed or []
        if len(file.parts) > 1 and file.parts[0] != ".." and not file.parts[0].endswith(".dist-info")
    }
    if len(tops) != 1:
        raise ModelUnavailable(f"The package {package} does not carry exactly one folder for {name}.")
    top, file = next(iter(tops.items()))
    return Path(str(file.locate())).parents[len(file.parts) - 2] if file.parts[0] == top else Path(top)


def _pickled(wanted: Iterable[str]) -> list[str]:
    """What a hub folder should not bring. CTranslate2's model.bin is no pickle: an entry that names it gets it."""
    return ["*.pt", "*.ckpt"] if "model.bin" in wanted else ["*.pt", "*.ckpt", "*.bin"]


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    chosen = [path for pattern in (patterns or ("**/*",)) for path in folder.glob(pattern)]
    wanted = {path for path in chosen if path.is_file() and not path.name.endswith(_NEVER)}
    return sorted(path for path in wanted if "__pycache__" not in path.parts)


def _hash_files(paths: Iterable[Path]) -> str:
    """sha256 over the names and sha256 of the files, in name order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
