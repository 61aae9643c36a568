"""Carry hub models to a machine without a network: a tar file whose manifest names the digest of every file in it.

manifest.json            the models: entry name, hub id, commit, files, and the listing of the repository
files/<digest>           each file once, in the order of the manifest
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import IO, BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from modalities.contract import ModelSpec, Source
from modalities.errors import ModelUnavailable
from modalities.models.hub.files import HubFile
from modalities.models.hub.snapshots import HubSnapshots
from storage.atomic_files import atomic_write

_MANIFEST, _LARGEST_MANIFEST = "manifest.json", 100_000_000
_CHUNK = 4 * 1024 * 1024


class BundledModel(BaseModel):
    """One model of a bundle."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: Source
    files: list[HubFile]
    listing: list[HubFile]


class _Manifest(BaseModel):
    format: int
    models: list[BundledModel]


def export_bundle(snapshots: HubSnapshots, models: Sequence[ModelSpec], into: Path) -> list[BundledModel]:
    """Write the files of models to a tar file. Raises ModelUnavailable if one is not on this machine, whole."""
    bundled = [_bundled(snapshots, spec) for spec in models]
    manifest = _Manifest(format=1, models=bundled).model_dump_json().encode()
    with atomic_write(into) as unfinished, tarfile.open(unfinished, "w") as tar:
        _add(tar, _MANIFEST, io.BytesIO(manifest), len(manifest))
        written: set[str] = set()
        for model in bundled:
            for file in model.files:
                if file.digest not in written:
                    written.add(file.digest)
                    with (snapshots.folder(model.source) / file.path).open("rb") as opened:
                        _add(tar, f"files/{file.digest}", opened, file.size)
    return bundled


def import_bundle(snapshots: HubSnapshots, bundle: Path, entries: dict[str, ModelSpec]) -> list[BundledModel]:
    """Take the files of a bundle in, each verified. Raises ModelUnavailable for a file that is no bundle or not whole.

    What the entries of models.yaml pin decides: a model whose entry has another commit or sha256 is refused.
    """
    try:
        with tarfile.open(bundle) as tar:
            members = iter(tar)
            models = _read_manifest(tar, members)
            for model in models:
                _check_entry(model, entries.get(model.name))
            _take_in(snapshots, tar, members, models)
    except (tarfile.TarError, EOFError, ValidationError, ValueError) as error:
        raise ModelUnavailable(f"{bundle} is not a bundle of `triptych models export`, or is cut off.") from error
    for model in models:
        snapshots.keep_listing(model.source, model.listing)
        if not snapshots.is_complete(model.name, model.source):
            raise ModelUnavailable(f"{bundle} lacks files of {model.name}: export it again.")
    return models


def _take_in(
    snapshots: HubSnapshots, tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], models: Sequence[BundledModel]
) -> None:
    """Write each member wherever the manifest names its digest; what it does not name is ignored."""
    for member in members:
        wanted = [(m, f) for m in models for f in m.files if member.name == f"files/{f.digest}"]
        content = tar.extractfile(member)
        if content is None or not wanted:
            continue
        with closing(content):
            for model, file in wanted:
                content.seek(0)
                snapshots.adopt(model.name, model.source, file, partial(_copy, content))


def _read_manifest(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> list[BundledModel]:
    """Read the manifest, which is the first member. Raises ValueError."""
    first = next(members, None)
    content = tar.extractfile(first) if first and first.name == _MANIFEST and first.size <= _LARGEST_MANIFEST else None
    if content is None:
        raise ValueError("no manifest")
    manifest = _Manifest.model_validate_json(content.read())
    if manifest.format != 1 or any(not model.source.is_pinned for model in manifest.models):
        raise ValueError("unknown format")
    return manifest.models


def _check_entry(model: BundledModel, entry: ModelSpec | None) -> None:
    """Raise ModelUnavailable if the catalogue of this machine pins another commit, or other bytes."""
    if entry is None or not entry.source.is_pinned:
        return
    if entry.source.revision != model.source.revision:
        raise ModelUnavailable(
            f"The bundle has {model.name} at {model.source.revision}, and models.yaml pins {entry.source.revision}: "
            "take the models.yaml of the machine that exported it, or export it again."
        )
    found = {file.path: file.sha256 for file in model.files}
    for path, sha256 in entry.source.sha256.items():
        if found.get(path) != sha256:
            raise ModelUnavailable(
                f"The file {path} of {model.name} in the bundle is not the one that models.yaml pins."
            )


def _bundled(snapshots: HubSnapshots, spec: ModelSpec) -> BundledModel:
    if not spec.source.hub:
        raise ModelUnavailable(f"The model {spec.name} does not come from a hub: it needs no bundle.")
    if not snapshots.is_complete(spec.name, spec.source):
        raise ModelUnavailable(f"The model {spec.name} is not on this machine: run `triptych models pull {spec.name}`.")
    if faults := snapshots.faults(spec.name, spec.source):
        raise ModelUnavailable(f"The file {faults[0]} of {spec.name} changed on this disk: pull the model again.")
    files = snapshots.files(spec.name, spec.source)
    return BundledModel(name=spec.name, source=spec.source, files=files, listing=snapshots.listing(spec.source))


def _add(tar: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)


def _copy(content: IO[bytes], into: BinaryIO) -> None:
    copyfileobj(content, into, _CHUNK)
