"""Commands on suggestions: suggest, forget."""

from typing import Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import space_opener
from gateway.cli.terminal import print_result
from gateway.errors import WrongInput


def suggest(
    person: Annotated[
        str, typer.Option("--for", metavar="PERSON", help="What the holder of this token may like.")
    ] = "",
    beside: Annotated[str, typer.Option("--beside", metavar="ID", help="What goes with this artifact.")] = "",
    keep: Annotated[
        str, typer.Option(help="on: keep what people open, choose and download; off: no more, delete it.")
    ] = "",
    limit: Annotated[int, typer.Option("-k", "--limit", help="How many to suggest.", min=1, max=50)] = 10,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Suggest what a person may like.

    Or what goes with an artifact. A project keeps nothing about persons until `--keep on`."""
    if [bool(person), bool(beside), bool(keep)].count(True) != 1 or keep not in ("", "on", "off"):
        raise WrongInput("Give one of --for PERSON, --beside ID, --keep on and --keep off.")
    from flows.suggesting.interactions import Interactions
    from flows.suggesting.suggest import Suggester

    with space_opener(project, local) as open_space:
        space = open_space()
        if keep:
            interactions = Interactions(space.platform.bucket, project)
            interactions.keep() if keep == "on" else interactions.stop()
            kept = "is kept from now on" if keep == "on" else "is not kept, and what was kept is deleted"
            print_result({"kept": keep == "on"}, as_json, f"What people open, choose and download in {project} {kept}.")
            return
        identity = space.records.resolve(beside).artifact.sha256 if beside else ""
        suggester = Suggester()
        found = suggester.beside(space, identity, limit) if identity else suggester.for_person(space, person, limit)
    rows = [f"{each.score:.2f}  {each.kind:7} {each.name[:60]:60} {each.artifact[:12]}" for each in found.suggestions]
    print_result(found.model_dump(mode="json"), as_json, "\n".join(rows) or _nothing(found.kept, person))


def _nothing(kept: bool, person: str) -> str:
    if person and not kept:
        return "The project keeps nothing about persons: `triptych suggest --keep on` changes that."
    return f"Nothing is known that {person} may like." if person else "Nothing goes with it."


def forget(
    person: Annotated[str, typer.Argument(help="The name of a token.")], as_json: Json = False, local: Local = False
) -> None:
    """Delete what is kept about a person for suggestions.

    What they opened, chose and downloaded, in every project.
    Backups hold nothing of it. Old versions in a bucket that keeps them stay."""
    from flows.suggesting.interactions import forget_everywhere

    with space_opener("default", local) as open_space:
        projects: list[Any] = forget_everywhere(open_space().platform.bucket, person)
    told = f"What {person} did in {', '.join(projects)} is deleted" if projects else f"Nothing is kept about {person}"
    print_result({"person": person, "projects": projects}, as_json, f"{told}.")
