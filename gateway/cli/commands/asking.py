"""Commands that answer questions from what is in the library."""

from typing import Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.terminal import print_result, say
from gateway.forms import fill_form


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
    """Answer a question from documents, speech and text in pictures, and say where the answer stands."""
    from flows.answering.form import Ask

    given = {"question": question, "before": before or [], "labels": label or [], "citations": citations}
    report = _answer(fill_form(Ask, **given, project=project), local)
    for notice in report["notices"]:
        say(notice)
    print_result(report, as_json, _shown(report))


def _answer(form: Any, local: bool) -> dict[str, Any]:
    """Ask the gateway, whose models are loaded; without one, answer in this process."""
    from gateway.cli.dispatch import ask_at_gateway

    found = None if local else ask_at_gateway(form)
    if found is not None:
        return found
    from flows.answering.ask import answer
    from gateway.cli.local import run_locally

    return run_locally(form.project, form, answer, lambda _: None)


def _shown(report: dict[str, Any]) -> str:
    """The answer and its places; where none is known, the places that are nearest."""
    rows = [report["text"], ""]
    cited = report["citations"] or report["near"]
    if cited and not report["known"]:
        rows.append("Nearest to the question:")
    for each in cited:
        rows.append(f"[{each['number']}] {each['name']}{_place(each)}  {each['artifact'][:12]}  {each['score']:.2f}")
        rows.append(f"    {each['quote']}")
    return "\n".join(rows).rstrip()


def _place(citation: dict[str, Any]) -> str:
    start = citation["start_seconds"]
    when = f", {int(start) // 60}:{int(start) % 60:02d}" if start is not None else ""
    return when + (f", {citation['place'].replace('=', ' ')}" if citation["place"] else "")
