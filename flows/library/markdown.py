"""Render the Markdown pages of a run in the Prefect UI: thumbnails, tables and links."""

import base64
from collections.abc import Sequence

from flows.library.inputs import InputArtifact
from flows.library.reading.contents import picture_at
from flows.running.platform import Space
from media.errors import ItemError
from media.pictures import contact_sheet, thumbnail
from storage.artifacts import Artifact
from storage.errors import StorageError
from storage.index.parts import Hit
from storage.records import ArtifactRecord

_PICTURES_SHOWN = 24
_ROWS_SHOWN = 200
_ESCAPED = {ord(sign): f"&#{ord(sign)};" for sign in "&\\`*_[]<>|#!~$:"}
"""Characters with a meaning in Markdown or HTML, as entities; the colon, so that no URL becomes a link."""


def pictures_page(space: Space, title: str, records: Sequence[ArtifactRecord]) -> str:
    """Render a contact sheet, and a link to each picture at full size."""
    shown = records[:_PICTURES_SHOWN]
    sheet = contact_sheet([_picture(space, record) for record in shown]) if shown else b""
    lines = [
        f"## {escaped(title)}",
        "",
        _inline(sheet),
        "",
        "| | picture | link (15 minutes) |",
        "|---|---|---|",
    ]
    lines += [
        f"| {number} | {escaped(record.name)} | {_link(space, record)} |" for number, record in enumerate(shown, 1)
    ]
    return "\n".join(lines)


def ingest_page(items: Sequence[tuple[str, str, str, str]]) -> str:
    """Render a table of files (name, status, artifact, reason), rejected ones first."""
    ordered = sorted(items, key=lambda item: item[1] != "rejected")
    lines = ["| file | status | artifact | reason |", "|---|---|---|---|"]
    lines += [
        f"| {escaped(name)} | {status} | {f'`{artifact[:12]}`' if artifact else ''} | {escaped(reason)} |"
        for name, status, artifact, reason in ordered[:_ROWS_SHOWN]
    ]
    if len(items) > _ROWS_SHOWN:
        lines.append(f"\n… and {len(items) - _ROWS_SHOWN} more")
    return "\n".join(lines)


def search_page(space: Space, words: str, hits: Sequence[Hit], nothing: str = "") -> str:
    """Render a table of hits: thumbnails of pictures, text and times of the others. `nothing` is shown without hits."""
    if not hits:
        return f"## {escaped(words)}\n\n{escaped(nothing)}"
    lines = [f"## {escaped(words)}", "", "| | what | where | score |", "|---|---|---|---|"]
    for hit in hits[:50]:
        when = f" at {format_time(hit.start_seconds)}" if hit.start_seconds is not None else ""
        picture = _thumbnail(space, hit) if hit.kind == "image" else ""
        what = escaped(hit.text[:200]) if hit.text else hit.kind
        lines.append(f"| {picture} | {what} | {escaped(hit.name)}{when} | {hit.score:.3f} |")
    return "\n".join(lines)


def transcript_page(name: str, language: str, rows: Sequence[tuple[float, str]]) -> str:
    """Render a table of spoken segments, given as (start in seconds, text)."""
    lines = [f"## {escaped(name)} ({language})", "", "| time | said |", "|---|---|"]
    lines += [f"| {format_time(start)} | {escaped(text)} |" for start, text in rows[:_ROWS_SHOWN]]
    return "\n".join(lines)


def format_time(seconds: float) -> str:
    """Format seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def escaped(text: str) -> str:
    """Escape text for a cell of a Markdown table: no markup, no HTML, one line."""
    return " ".join(text.split()).translate(_ESCAPED)


def _picture(space: Space, record: ArtifactRecord) -> bytes:
    return space.store.get(picture_at(space, InputArtifact(record.artifact, record)))


def _thumbnail(space: Space, hit: Hit) -> str:
    try:
        record = space.records.get(hit.artifact)
        found = InputArtifact(record.artifact, record)
        return _inline(thumbnail(space.store.get(picture_at(space, found, seconds=hit.start_seconds)), side=96))
    except (StorageError, ItemError):
        return "(gone)"


def _inline(picture: bytes) -> str:
    return f"![](data:image/jpeg;base64,{base64.b64encode(picture).decode()})" if picture else ""


def _link(space: Space, record: ArtifactRecord) -> str:
    return f"[open]({_address(space, record.artifact, record.name)})"


def download_links(space: Space, files: Sequence[tuple[str, Artifact]]) -> str:
    """Render a list of links to files."""
    return "\n".join(f"- [{escaped(name)}]({_address(space, artifact, name)})" for name, artifact in files)


def _address(space: Space, artifact: Artifact, name: str) -> str:
    """Return where a browser finds the bytes: at the gateway; without one, at the S3 server for 15 minutes."""
    gateway = space.platform.settings.gateway_url
    if gateway is None:
        return space.store.url(artifact, name)
    return f"{gateway.rstrip('/')}/api/artifacts/{artifact.sha256}/download?project={space.project}"
