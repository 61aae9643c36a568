"""Pin an entry of models.yaml: resolve a branch to its commit, and write that and the sha256 of the files into it.

Only the values of the entry's `revision`, `size_mb` and `sha256` change; comments and everything else stay.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modalities.contract import ModelSpec, Source
from modalities.errors import InvalidCatalogue, ModelUnavailable
from modalities.models.hub.client import DEFAULT_REVISION, Hub
from modalities.models.hub.files import HubFile, select, total_size
from storage.atomic_files import atomic_write

_LARGEST_TEXT = 50_000_000
"""Bytes. The hub publishes the sha256 of larger files; smaller ones are downloaded to compute it."""


@dataclass(frozen=True)
class Pin:
    """What the hub says of an entry's files at a commit. `licence` is that of the repository's card."""

    commit: str
    sha256: dict[str, str]
    size_bytes: int
    licence: str | None

    @property
    def size_mb(self) -> int:
        return max(1, round(self.size_bytes / 1e6))


def resolve_pin(hub: Hub, spec: ModelSpec, revision: str | None) -> Pin:
    """Ask the hub for the commit of a revision (default: that of the entry) and the sha256 of the files that it uses.

    Raises ModelUnavailable.
    """
    source = spec.source.model_copy(update={"sha256": {}})
    if not source.hub:
        raise ModelUnavailable(f"The model {spec.name} does not come from a hub: there is nothing to pin.")
    commit, licence = hub.commit(spec.name, source, revision or source.revision or DEFAULT_REVISION)
    files = select(spec.name, source, hub.files(spec.name, source, commit))
    digests = {file.path: file.sha256 or _computed(hub, spec.name, source, commit, file) for file in files}
    return Pin(commit=commit, sha256=digests, size_bytes=total_size(files), licence=licence)


def write_pin(path: Path, model: str, pin: Pin) -> None:
    """Write a pin into the entry of a model. Raises InvalidCatalogue if the file cannot be changed."""
    try:
        before = path.read_text(encoding="utf-8")
        after = pinned_text(before, model, pin)
        expected, found = yaml.safe_load(before), yaml.safe_load(after)
        expected["models"][model]["source"] |= _values(pin)
        if found != expected:
            raise ValueError("the entry is written in a way that cannot be changed safely")
        with atomic_write(path) as unfinished:
            unfinished.write_text(after, encoding="utf-8")
            unfinished.chmod(path.stat().st_mode)
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        raise InvalidCatalogue(
            f"The pin of {model} cannot be written into {path} ({error}): write `revision: {pin.commit}` into the "
            "source of its entry."
        ) from error


def pinned_text(text: str, model: str, pin: Pin) -> str:
    """Return the text of models.yaml with a pin in the entry of a model. Raises KeyError if there is no such entry."""
    node: Any = yaml.compose(text, yaml.SafeLoader)
    for key in ("models", model):
        node = _pairs(node)[key][1]
    key_node, source = _pairs(node)["source"]
    indent = " " * (key_node.start_mark.column + 2)
    kept = {key: text[value.start_mark.index : _end(value)] for key, (_, value) in _pairs(source).items()}
    if source.flow_style:
        lines = [f"{key}: {value}" for key, value in kept.items() if key not in _values(pin)]
        written = "".join(f"\n{indent}{line}" for line in [*lines, *_lines(pin)])
        return text[: key_node.end_mark.index] + ":" + written + text[_end(source) :]
    return _change_block(text, source, pin, indent)


def _change_block(text: str, source: Any, pin: Pin, indent: str) -> str:
    """Replace the values of keys that are there, and insert the others after the line of the hub id; last first."""
    pairs = _pairs(source)
    _, hub = pairs["hub"]
    line_end = text.find("\n", _end(hub))
    changes = [(line_end if line_end >= 0 else len(text), 0, "")]
    for key, lines in zip(_values(pin), _grouped(pin), strict=True):
        written = f"\n{indent}".join(lines)
        if key in pairs:
            start = pairs[key][0].start_mark.index
            changes.append((start, _end(pairs[key][1]) - start, written))
        else:
            place, length, added = changes[0]
            changes[0] = (place, length, f"{added}\n{indent}{written}")
    for start, length, written in sorted(changes, reverse=True):
        text = text[:start] + written + text[start + length :]
    return text


def _computed(hub: Hub, name: str, source: Source, commit: str, file: HubFile) -> str:
    """Download a small file, verify it by its git blob id, and return its sha256. Raises ModelUnavailable."""
    if file.size > _LARGEST_TEXT:
        raise ModelUnavailable(
            f"The hub publishes no sha256 of {file.path} of {name}, which is too large to compute it."
        )
    content = io.BytesIO()
    hub.read(name, source, commit, file, content, 0)
    data = content.getvalue()
    if hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() != file.blob_id:
        raise ModelUnavailable(f"The file {file.path} of {name} arrived with other bytes than announced: try again.")
    return hashlib.sha256(data).hexdigest()


def _values(pin: Pin) -> dict[str, Any]:
    return {"revision": pin.commit, "size_mb": pin.size_mb, "sha256": pin.sha256}


def _grouped(pin: Pin) -> list[list[str]]:
    """The lines of each key, without indentation."""
    digests = [f"  {_scalar(path)}: {_scalar(sha256)}" for path, sha256 in pin.sha256.items()]
    return [[f"revision: {_scalar(pin.commit)}"], [f"size_mb: {pin.size_mb}"], ["sha256:", *digests]]


def _lines(pin: Pin) -> list[str]:
    return [line for lines in _grouped(pin) for line in lines]


def _scalar(text: str) -> str:
    """Quote a text that YAML would read as something else, such as a commit of digits alone."""
    return text if yaml.safe_load(text) == text and ": " not in text and " #" not in text else json.dumps(text)


def _pairs(node: Any) -> dict[str, tuple[Any, Any]]:
    return {key.value: (key, value) for key, value in node.value}


def _end(node: Any) -> int:
    """The end of a node's text: PyYAML has a block end at the next token, after comments."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)
