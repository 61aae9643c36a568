"""The command that says what is handed over to a person when the library is asked."""

from typing import Annotated

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import space_opener
from gateway.cli.terminal import print_result
from gateway.errors import WrongInput
from gateway.forms import fill_form


def intents(
    classifier: Annotated[str, typer.Argument(help="A published classifier of texts; none: show what is set.")] = "",
    least: Annotated[float, typer.Option(help="Below this probability a person answers.")] = 0.5,
    hand_over: Annotated[
        list[str] | None, typer.Option("--hand-over", help="A label that a person answers; repeatable.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Hand nothing over any more.")] = False,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Let a classifier say what somebody who asks wants.

    Unclear questions, and those of some labels, go to a person."""
    if off and classifier:
        raise WrongInput("Give a classifier or --off, not both.")
    import asyncio

    from flows.answering.intents import IntentSettings, intent_settings, keep_intent_settings, set_intents
    from flows.running.context import local_context

    with space_opener(project, local) as open_space:
        space = open_space()
        if classifier:
            form = fill_form(IntentSettings, classifier=classifier, least=least, hand_over=tuple(hand_over or ()))
            asyncio.run(set_intents(local_context(space), form))
        elif off:
            keep_intent_settings(space, None)
        found = intent_settings(space)
    told = "Nothing is handed over."
    if found:
        labels = f", and those about {', '.join(found.hand_over)}" if found.hand_over else ""
        told = f"{found.classifier} says what is wanted; questions below {found.least:.2f} go to a person{labels}."
    print_result({"intents": found.model_dump(mode="json") if found else None}, as_json, told)
