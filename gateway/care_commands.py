"""Commands that look after what is there: labels, and the index."""

from typing import Annotated

import typer

from gateway.errors import WrongInput
from gateway.options import Json, Project
from gateway.terminal import SOME_FAILED, answer, progress_bar


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


def verify(
    repair: Annotated[bool, typer.Option(help="Mend what can be mended; what is broken goes to quarantine.")] = False,
    quick: Annotated[bool, typer.Option(help="Do not read the bytes of every file again.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Look whether every file, record, recipe and index row of a project is whole."""
    from flows.repair import repair_project
    from flows.verify import Inspection, VerifyReport, verify_project
    from gateway.work import do_here

    form = Inspection(quick=quick, project=project)
    with progress_bar() as progress:
        found = do_here(project, form, repair_project if repair else verify_project, progress)
    report = VerifyReport.model_validate(found)
    answer(found, as_json, "\n".join([*(f"- {finding}" for finding in report.findings), str(report)]))
    if report.open:
        raise typer.Exit(SOME_FAILED)
