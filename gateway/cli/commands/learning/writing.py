"""The command that writes: a text goes on, shown as it is written."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form
from gateway.cli.terminal import print_result
from gateway.forms import fill_form

if TYPE_CHECKING:
    from flows.writing.form import Writing


def write(
    text: Annotated[str, typer.Argument(help="What to go on from, or to answer.")],
    instructions: Annotated[str, typer.Option("--instructions", help="What the model is told before.")] = "",
    model: Annotated[str, typer.Option(help="A model that writes, of the catalogue or of the project.")] = "",
    max_tokens: Annotated[int, typer.Option(help="How many tokens at most.")] = 200,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable word each time.")] = 0.7,
    top_p: Annotated[float, typer.Option(help="Choose among the most probable of this share.")] = 0.95,
    seed: Annotated[int, typer.Option(help="The same seed writes the same.")] = 0,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Go on with a text, by a causal language model.

    The words come as they are written; with --json, all of them at the end."""
    from flows.writing.form import Writing

    given: dict[str, Any] = {"text": text, "instructions": instructions, "model": model, "project": project}
    form = fill_form(Writing, **given, max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    if as_json or (not local and not _streams(form)):
        found = run_form("write-text", "writing", form, "flows.writing.write_text:write", local)
        print_result(found, as_json, found["text"])
    elif local:
        _show(_written_here(form))


def _streams(form: "Writing") -> bool:
    """Show what the gateway writes; false if none answers."""
    from gateway.cli.dispatch import gateway_client

    with gateway_client(form.project) as client:
        if client is None:
            return False
        fields = form.model_dump(exclude={"text", "instructions", "model", "project"})
        _show(client.write(form.text, form.instructions, form.model, **fields))
        return True


def _written_here(form: "Writing") -> Iterator[str]:
    from flows.writing.write_text import pieces, request_of
    from gateway.cli.local import local_platform

    with local_platform() as platform:
        space = platform.space(form.project)
        yield from pieces(space, request_of(space, form))


def _show(pieces: Iterator[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
