"""The command line. Commands import what they need when they run: the help texts come at once."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import (
    backup_commands,
    care_commands,
    run_commands,
    stack_commands,
    token_commands,
    training_commands,
)
from gateway.errors import WrongInput
from gateway.forms import filled
from gateway.options import Json, Local, Project
from gateway.terminal import SOME_FAILED, answer, existing, exit_code, named_value, progress_bar, say

if TYPE_CHECKING:
    from flows.platform import Space

app = typer.Typer(
    name="triptych",
    help="Find, make, transcribe and translate what your team has: pictures, speech and text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _command in (
    *(stack_commands.up, stack_commands.down, stack_commands.status, stack_commands.doctor),
    *(stack_commands.password, stack_commands.rights),
    *(training_commands.train, training_commands.evaluate, training_commands.publish),
    *(care_commands.label, care_commands.rebuild, care_commands.verify, care_commands.gc, care_commands.retain),
    *(backup_commands.backup, backup_commands.restore, backup_commands.migrate),
    *(run_commands.failed, run_commands.retry),
):
    app.command()(_command)
app.add_typer(token_commands.app)


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders and https addresses to take in.")],
    label: Annotated[list[str] | None, typer.Option(help="A word to find these files by; repeatable.")] = None,
    keep_location: Annotated[bool, typer.Option("--keep-location", help="Keep where pictures were taken.")] = False,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Take files into a project: stored once, recorded and findable."""
    from flows.ingest import UploadedFiles, ingest_files
    from flows.ingest_urls import Addresses, take_in_urls
    from gateway.uploads import addresses_in, files_under, upload

    urls = addresses_in(paths)
    files = files_under([Path(path) for path in paths if path not in urls]) if len(urls) < len(paths) else []

    def run(space: "Space") -> dict[str, Any]:
        keys = upload(space.platform.bucket, files, _say_count, keep_location=keep_location)
        form = UploadedFiles(keys=list(keys), labels=label or [], project=project)
        report = _do(
            "ingest", "files", form, lambda job, given: ingest_files(job, given.keys, tuple(given.labels)), local
        )
        space.platform.bucket.remove_all(keys)
        return {"items": [_ingested(item, keys) for item in report["items"]]}

    def fetch() -> dict[str, Any]:
        form = filled(Addresses, urls=urls, labels=label or [], keep_location=keep_location, project=project)
        report = _do("ingest-urls", "addresses", form, take_in_urls, local)
        return {"items": [_ingested(item, {}) | {"path": url} for item, url in zip(report["items"], urls, strict=True)]}

    with _space(project, local) as space:
        document = {"items": [*(run(space)["items"] if files else []), *(fetch()["items"] if urls else [])]}
    rows = [f"{item['status']:9} {item['path']}  {item['reason'] or ''}" for item in document["items"]]
    answer(document, as_json, "\n".join(rows))
    if any(item["status"] == "rejected" for item in document["items"]):
        raise typer.Exit(SOME_FAILED)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What it shows, says or is about.")] = "",
    like: Annotated[Path | None, typer.Option(help="A picture or text that the results should resemble.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="image, speech or text; repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only what has this label; repeatable.")] = None,
    limit: Annotated[int, typer.Option("-k", "--limit", help="How many results.")] = 10,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Find pictures, spoken moments and texts by what they mean."""
    from flows.ingest import bring_along
    from flows.search import KINDS, Query, find
    from gateway.work import search_at_gateway

    with _space(project, local) as space:
        artifact = bring_along(space, existing(like)).sha256 if like else ""
        form = filled(
            Query,
            words=query,
            like=artifact,
            kinds=kind or list(KINDS),
            labels=label or [],
            limit=limit,
            project=project,
        )
        found = None if local else search_at_gateway(form)
        document = found or _do("search", "query", form, find, local)
    rows = [f"{hit['score']:.3f}  {hit['kind']:6} {hit['name']}  {_moment(hit)}" for hit in document["hits"]]
    answer(document, as_json, "\n".join(rows) or "Nothing was found.")


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    style: Annotated[str, typer.Option(help="A style word that the model knows.")] = "",
    count: Annotated[int, typer.Option(help="How many pictures.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed gives other pictures.")] = 1,
    size: Annotated[str, typer.Option(help="Such as 64x64, or native.")] = "native",
    steps: Annotated[int, typer.Option(help="0 is the model's own.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A folder to write the pictures to.")] = None,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Make pictures from words."""
    from flows.generate_images import PictureOrder, make_pictures

    form = filled(
        PictureOrder, prompt=prompt, style=style, count=count, seed=seed, size=size, steps=steps, project=project
    )
    with _space(project, local) as space:
        report = _do("generate-images", "order", form, make_pictures, local)
        images = [_written(space, image, out) for image in report["images"]]
    answer({"images": images}, as_json, "\n".join(image["path"] or image["artifact"] for image in images))
    if report["failures"]:
        say(report["failures"][0])
        raise typer.Exit(SOME_FAILED)


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="An audio or video file.")],
    language: Annotated[str, typer.Option(help="The spoken language, such as en; detected if not given.")] = "",
    to: Annotated[str, typer.Option(help="Translate to this language.")] = "",
    output: Annotated[str, typer.Option("--format", help="json, srt, vtt or txt.")] = "txt",
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Write down what is said in a recording."""
    from flows.ingest import bring_along
    from flows.transcribe_audio import Recording, transcribe

    if output not in ("json", "srt", "vtt", "txt"):
        raise WrongInput(f"There is no format {output}: use json, srt, vtt or txt.")
    with _space(project, local) as space:
        form = filled(
            Recording, recording=bring_along(space, existing(file)).sha256, language=language, to=to, project=project
        )
        report = _do("transcribe-audio", "recording", form, transcribe, local)
        text = report["text"] if output in ("txt", "json") else _read(space, report["files"][output])
    document = {name: report[name] for name in ("language", "text", "segments")}
    answer(document, as_json or output == "json", text)


@app.command()
def translate(
    text: Annotated[str, typer.Argument(help="What to translate.")] = "",
    to: Annotated[str, typer.Option(help="The language to translate to, such as de.")] = "en",
    source: Annotated[str, typer.Option("--from", help="The language of the text; detected if not given.")] = "",
    file: Annotated[Path | None, typer.Option(help="Translate this text file, line by line.")] = None,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Say a text in another language, with as many lines out as in."""
    from flows.translate_text import Text, translate
    from modalities.media import read_text

    original = read_text(existing(file)) if file else text
    lines = original.removesuffix("\n")
    form = filled(Text, text=lines, target=to, source=source, project=project)
    document = _do("translate-text", "text", form, translate, local)
    answer(document, as_json, document["text"])


@app.command()
def run(
    deployment: Annotated[str, typer.Argument(help="Such as generate-images or process-inbox.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="The form's fields.")] = None,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Start a deployment as the Prefect UI does, and wait for its report."""
    from gateway.work import do_there

    given = dict(named_value(value) for value in values or [])
    given.setdefault("project", project)
    with progress_bar() as progress:
        report = do_there(deployment, given, str(given["project"]), progress)
    answer(report, as_json, json.dumps(report, ensure_ascii=False, indent=1))


@app.command()
def show(artifact: str, project: Project = "default", as_json: Json = False) -> None:
    """The record of an artifact, how it was made, and a link to it."""
    with _space(project, local=False) as space:
        record = space.records.resolve(artifact)
        recipe = space.recipes.find(record.producer) if record.producer else None
        document = {
            "record": record.model_dump(mode="json"),
            "labels": list(space.labels.of(record)),
            "children": [
                child.model_dump(mode="json") for child in space.library.children(project, record.artifact.sha256)
            ],
            "recipe": recipe.model_dump(mode="json") if recipe else None,
            "url": space.store.url(record.artifact, record.name),
        }
    answer(document, as_json, json.dumps(document, ensure_ascii=False, indent=1))


@app.command()
def export(artifact: str, path: Path, project: Project = "default", as_json: Json = False) -> None:
    """Write the bytes of an artifact to a file or into a folder."""
    with _space(project, local=False) as space:
        record = space.records.resolve(artifact)
        target = path / Path(record.name).name if path.is_dir() else path
        with space.store.local(record.artifact) as verified:
            target.write_bytes(verified.read_bytes())
    answer({"artifact": record.artifact.sha256, "path": str(target)}, as_json, str(target))


def main() -> None:
    """Run a command; a person's mistake is one sentence and an exit code."""
    try:
        app()
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        say(str(error))
        sys.exit(code)


def _do(deployment: str, parameter: str, form: Any, work: Callable[[Any, Any], Any], local: bool) -> dict[str, Any]:
    from gateway.work import do_here, do_there

    with progress_bar() as progress:
        if local:
            return do_here(form.project, form, work, progress)
        return do_there(deployment, {parameter: form.model_dump(mode="json")}, form.project, progress)


@contextmanager
def _space(project: str, local: bool) -> Generator["Space"]:
    from flows.platform import open_platform
    from gateway.work import local_platform

    if local:
        with local_platform() as platform:
            yield platform.space(project)
    else:
        yield open_platform().space(project)


def _ingested(item: dict[str, Any], keys: dict[str, Path]) -> dict[str, Any]:
    wanted = ("status", "artifact", "kind", "reason")
    return {"path": str(keys.get(item["key"], item["path"]))} | {name: item[name] for name in wanted}


def _written(space: "Space", image: dict[str, Any], out: Path | None) -> dict[str, Any]:
    path = None
    if out:
        out.mkdir(parents=True, exist_ok=True)
        path = out / image["name"]
        record = space.records.get(image["artifact"])
        path.write_bytes(space.store.get(record.artifact))
    return {name: image[name] for name in ("artifact", "seed", "sha256")} | {"path": str(path) if path else None}


def _read(space: "Space", artifact: dict[str, Any]) -> str:
    from storage.artifacts import Artifact

    return space.store.get(Artifact.model_validate(artifact)).decode()


def _moment(hit: dict[str, Any]) -> str:
    start = hit["start_seconds"]
    when = f"{int(start) // 60}:{int(start) % 60:02d} " if start is not None else ""
    return f"{when}{(hit['text'] or '')[:80]}"


def _say_count(done: int, total: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{done}/{total} uploaded", err=True, nl=done == total)


if __name__ == "__main__":
    main()
