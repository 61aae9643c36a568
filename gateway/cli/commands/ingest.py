"""The command that takes files, folders and addresses into a project."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form, space_opener
from gateway.cli.terminal import SOME_FAILED, print_result, progress_bar, say
from gateway.forms import fill_form

if TYPE_CHECKING:
    from flows.running.platform import Space
    from gateway.cli.folders import FoundFiles

_JOB_FILES = 1000
"""Files of one job: a job that breaks off costs the work on this many at most."""


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders and https addresses to take in.")],
    label: Annotated[list[str] | None, typer.Option(help="A word to find these files by; repeatable.")] = None,
    keep_location: Annotated[bool, typer.Option("--keep-location", help="Keep where pictures were taken.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also what systems leave in folders.")] = False,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Take files into a project, recorded and findable. What is there is not stored again."""
    from gateway.cli.folders import FoundFiles, find_files
    from gateway.cli.uploads import urls_in

    urls, labels = urls_in(paths), label or []
    others = [Path(path) for path in paths if path not in urls]
    found = find_files(others, everything=everything) if others else FoundFiles()
    with space_opener(project, local) as space, progress_bar() as progress:
        items = _ingest_files(space, found, labels, keep_location, progress, local) if found.files else []
    if urls:
        items += _ingest_urls(urls, labels, keep_location, project, local)
    rows = [f"{item['status']:9} {item['path']}  {item['reason'] or ''}" for item in items]
    print_result({"items": items, "skipped": found.skipped}, as_json, "\n".join(rows))
    if found.skipped:
        say(f"{found.skipped} files that systems leave in folders were skipped; --all takes them in.")
    if any(item["status"] == "rejected" for item in items):
        raise typer.Exit(SOME_FAILED)


def _ingest_files(
    space: Callable[[], "Space"],
    found: "FoundFiles",
    labels: list[str],
    keep_location: bool,
    progress: Callable[[float], None],
    local: bool,
) -> list[dict[str, Any]]:
    """Upload and ingest the files, job after job. Those that the project has already are not sent again."""
    from flows.running.content_forms import UploadedFiles
    from gateway.cli.uploads import known_files, upload

    opened, items, done = space(), list[dict[str, Any]](), 0
    for batch in _batches(found.files):
        known = {} if labels else known_files(opened, batch)
        fresh = [path for path in batch if path not in known]
        items += [{"path": str(path), "status": "duplicate", "reason": None} | row for path, row in known.items()]
        if fresh:
            keys = upload(opened.platform.bucket, fresh, keep_location=keep_location, sidecars=found.sidecars)
            form = fill_form(UploadedFiles, keys=list(keys), labels=labels, project=opened.project)
            share = _share(progress, done, len(batch), len(found.files))
            report = run_form("ingest", "files", form, "flows.ingest:ingest_uploads", local, share)
            opened.platform.bucket.remove_all(keys)
            items += [_row(item, keys) for item in report["items"]]
        done += len(batch)
        progress(done / len(found.files))
        if len(found.files) > _JOB_FILES and not sys.stderr.isatty():
            say(f"{done} of {len(found.files)} files are done.")
    order = {str(path): number for number, path in enumerate(found.files)}
    return sorted(items, key=lambda item: order.get(item["path"], len(order)))


def _ingest_urls(
    urls: list[str], labels: list[str], keep_location: bool, project: str, local: bool
) -> list[dict[str, Any]]:
    from flows.running.content_forms import Addresses

    form = fill_form(Addresses, urls=urls, labels=labels, keep_location=keep_location, project=project)
    report = run_form("ingest-urls", "addresses", form, "flows.ingest_urls:ingest_from_urls", local)
    return [_row(item, {}) | {"path": url} for item, url in zip(report["items"], urls, strict=True)]


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), _JOB_FILES):
        yield files[start : start + _JOB_FILES]


def _share(progress: Callable[[float], None], done: int, size: int, total: int) -> Callable[[float], None]:
    """Return a callback that reports the fraction of a job as one of all files."""
    return lambda fraction: progress((done + fraction * size) / total)


def _row(item: dict[str, Any], keys: dict[str, Path]) -> dict[str, Any]:
    wanted = ("status", "artifact", "kind", "reason")
    return {"path": str(keys.get(item["key"], item["path"]))} | {name: item[name] for name in wanted}
