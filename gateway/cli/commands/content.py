"""Commands that do work on content: search, ask, generate and run."""

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form, space_opener, store_query_file
from gateway.cli.terminal import SOME_FAILED, parse_named_value, print_result, progress_bar, say
from gateway.errors import WrongInput
from gateway.forms import fill_form

if TYPE_CHECKING:
    from flows.running.platform import Space


def search(
    query: Annotated[list[str] | None, typer.Argument(help="What it shows, says or is about.")] = None,
    like: Annotated[Path | None, typer.Option(help="A picture or text that the results should resemble.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="image, speech or text; repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only what has this label; repeatable.")] = None,
    since: Annotated[str, typer.Option(help="Only what came then or later, such as 2024-01-31.")] = "",
    until: Annotated[str, typer.Option(help="Only what came until the end of this day.")] = "",
    made_since: Annotated[str, typer.Option(help="Only what was made, such as photographed, then or later.")] = "",
    made_until: Annotated[str, typer.Option(help="Only what was made until the end of this day.")] = "",
    at_least: Annotated[float | None, typer.Option(help="Leave out scores below this; 0 shows everything.")] = None,
    limit: Annotated[int, typer.Option("-k", "--limit", help="How many results.")] = 10,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Find pictures, speech and texts by meaning and by words."""
    from flows.running.content_forms import Query
    from gateway.cli.dispatch import search_at_gateway

    words = _joined_words(query or ())
    with space_opener(project, local) as space:
        artifact = store_query_file(space(), like) if like else ""
        kinds = {"kinds": kind} if kind else {}
        times = {"since": since, "until": until, "made_since": made_since, "made_until": made_until}
        given = kinds | {name: day for name, day in times.items() if day} | {"at_least": at_least, "itself": True}
        form = fill_form(Query, words=words, like=artifact, **given, labels=label or [], limit=limit, project=project)
        found = None if local else search_at_gateway(form)
        document = found or run_form("search", "query", form, "flows.search:find", local)
    rows = [
        f"{hit['score']:.3f}  {hit['kind']:6} {_marked(hit['name'], hit.get('name_marks', ()))}  {_excerpt(hit)}"
        for hit in document["hits"]
    ]
    for notice in document.get("notices", ()):
        say(notice)
    print_result(document, as_json, "\n".join(rows) or _nothing_found(document))


def _joined_words(arguments: Sequence[str]) -> str:
    """The words of a search. Raises WrongInput for an unknown option among them."""
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2 and len(arguments) > 1:
            raise WrongInput(f"There is no option {argument}: see `triptych search -h`, or put the words in quotes.")
    return " ".join(arguments)


def _nothing_found(document: dict[str, Any]) -> str:
    from flows.index.search_report import nothing_found

    return nothing_found(document.get("looked_through", {}))


def ask(
    question: Annotated[str, typer.Argument(help="Such as: How do I clean the filter?")],
    before: Annotated[
        list[str] | None, typer.Option("--before", help="A question asked before, which this one goes on with.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only what has this label; repeatable.")] = None,
    citations: Annotated[int, typer.Option("-k", "--citations", help="How many places to name at most.")] = 3,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Answer a question from the library, with citations."""
    from flows.answering.form import Ask

    given = {"question": question, "before": before or [], "labels": label or [], "citations": citations}
    report = _ask(fill_form(Ask, **given, project=project), local)
    for notice in report["notices"]:
        say(notice)
    print_result(report, as_json, _answer_and_places(report))


def _ask(form: Any, local: bool) -> dict[str, Any]:
    """Ask the gateway, whose models are loaded; without one, answer in this process."""
    from gateway.cli.dispatch import ask_at_gateway

    found = None if local else ask_at_gateway(form)
    if found is not None:
        return found
    from flows.answering.ask import answer
    from gateway.cli.local import run_locally

    return run_locally(form.project, form, answer, lambda _: None)


def _answer_and_places(report: dict[str, Any]) -> str:
    """The answer and its places; where none is known, the places that are nearest."""
    rows = [report["text"], ""]
    cited = report["citations"] or report["near"]
    if cited and not report["known"]:
        rows.append("Nearest to the question:")
    for each in cited:
        rows.append(
            f"[{each['number']}] {each['name']}{_moment_and_place(each)}  {each['artifact'][:12]}  {each['score']:.2f}"
        )
        rows.append(f"    {each['quote']}")
    return "\n".join(rows).rstrip()


def _moment_and_place(citation: dict[str, Any]) -> str:
    start = citation["start_seconds"]
    when = f", {int(start) // 60}:{int(start) % 60:02d}" if start is not None else ""
    return when + (f", {citation['place'].replace('=', ' ')}" if citation["place"] else "")


def duplicates(
    label: Annotated[bool, typer.Option("--label", help="Label all of a group but the largest: duplicate.")] = False,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Find the same picture in other sizes or crops."""
    from flows.running.content_forms import DuplicateSearch

    form = fill_form(DuplicateSearch, label=label, project=project)
    report = run_form("find-duplicates", "search", form, "flows.care.find_duplicates:group_duplicates", local)
    rows = [
        f"{each['artifact'][:12]}  {each['width']} x {each['height']}  {each['name']}"
        f"{', a near duplicate of ' + group[0]['name'] if number else ''}"
        for group in report["groups"]
        for number, each in enumerate(group)
    ]
    print_result(report, as_json, "\n".join(rows) or f"No near duplicates among {report['pictures']} pictures.")


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    style: Annotated[str, typer.Option(help="A style word that the model knows.")] = "",
    count: Annotated[int, typer.Option(help="How many pictures.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed gives other pictures; -1 takes a random one.")] = 1,
    size: Annotated[str, typer.Option(help="Such as 64x64, or native.")] = "native",
    steps: Annotated[int, typer.Option(help="0 is the model's own.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A folder to write the pictures to.")] = None,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Make pictures from words."""
    from flows.running.content_forms import PictureOrder

    seed = secrets.randbelow(2**32) if seed == -1 else seed
    form = fill_form(
        PictureOrder, prompt=prompt, style=style, count=count, seed=seed, size=size, steps=steps, project=project
    )
    with space_opener(project, local) as space:
        report = run_form("generate-images", "order", form, "flows.generate_images:generate_pictures", local)
        images = [_write_picture(image, space, out) for image in report["images"]]
    print_result({"images": images}, as_json, "\n".join(image["path"] or image["artifact"] for image in images))
    if report["failures"]:
        say(report["failures"][0])
        raise typer.Exit(SOME_FAILED)


def run(
    deployment: Annotated[str, typer.Argument(help="Such as generate-images or process-inbox.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="The form's fields.")] = None,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Start a deployment as the Prefect UI does. Its report is awaited."""
    from gateway.cli.dispatch import run_deployment

    given = dict(parse_named_value(value) for value in values or [])
    given.setdefault("project", project)
    with progress_bar() as progress:
        report = run_deployment(deployment, given, str(given["project"]), progress)
    print_result(report, as_json, json.dumps(report, ensure_ascii=False, indent=1))


def _write_picture(image: dict[str, Any], space: Callable[[], "Space"], out: Path | None) -> dict[str, Any]:
    from flows.library.file_names import file_name

    path = None
    if out:
        out.mkdir(parents=True, exist_ok=True)
        path = out / file_name(image["name"])
        path.write_bytes(space().store.get(space().records.get(image["artifact"]).artifact))
    return {name: image[name] for name in ("artifact", "seed", "sha256")} | {"path": str(path) if path else None}


def _excerpt(hit: dict[str, Any]) -> str:
    """Where the best part of a hit is, what was recognized in it, and its text around the words of the query."""
    from flows.index.search_report import cut_around_marks

    best = hit["places"][0]
    start = hit["start_seconds"]
    when = f"{int(start) // 60}:{int(start) % 60:02d} " if start is not None else ""
    where = f"[{hit['place'].replace('=', ' ')}] " if hit.get("place") else ""
    shown = ", ".join(name.split(".")[0].replace("_", " ") for name in best.get("concepts", {}))
    text, marks = cut_around_marks(hit["text"] or "", best.get("marks", ()), 80)
    return f"{when}{where}{shown and f'shows {shown} '}{' '.join(_marked(text, marks).split())}"


def _marked(text: str, marks: Sequence[Sequence[int]]) -> str:
    """The text with its marks in bold; `typer.echo` removes that where the output is no terminal."""
    for start, end in reversed(marks):
        text = text[:start] + typer.style(text[start:end], bold=True) + text[end:]
    return text
