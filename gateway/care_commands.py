"""Commands that look after what is there: labels, and the index."""

from typing import Annotated

import typer

from gateway.errors import WrongInput
from gateway.options import Json, Project
from gateway.terminal import answer, progress_bar


def label(
    artifacts: Annotated[list[str], typer.Argument(metavar="ID...", help="Artifacts, or the beginnings of their ids.")],
    add: Annotated[list[str] | None, typer.Option(help="A label to put on; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A label to take off; repeatable.")] = None,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Put labels on artifacts, or take them off. What has the label `hold` is never removed."""
    from flows.labelling import relabel
    from flows.platform import open_platform

    if not add and not remove:
        raise WrongInput("Say which label: --add LABEL or --remove LABEL.")
    space = open_platform().space(project)
    records = [space.records.resolve(artifact) for artifact in artifacts]
    labels = {r.artifact.sha256: list(relabel(space, r.artifact.sha256, add or (), remove or ())) for r in records}
    rows = [
        f"{record.artifact.sha256[:12]}  {record.name}  {', '.join(labels[record.artifact.sha256])}"
        for record in records
    ]
    answer({"labels": labels}, as_json, "\n".join(rows))


def rebuild(project: Project = "default", as_json: Json = False) -> None:
    """Make the search index of a project again, from the bucket alone."""
    from flows.form import Form
    from flows.rebuild_index import rebuild_index
    from gateway.work import do_here

    with progress_bar() as progress:
        report = do_here(project, Form(), lambda job, _: rebuild_index(job), progress)
    answer(report, as_json, f"{report['artifacts']} artifacts are findable.")
