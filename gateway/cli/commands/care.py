"""Maintenance commands: label, rebuild, verify, gc, retain."""

from typing import Annotated

import typer

from gateway.cli.options import BACKUP, Json, Local, Profile, Project
from gateway.cli.terminal import SOME_FAILED, print_result, progress_bar, say
from gateway.errors import WrongInput
from gateway.forms import fill_form


def label(
    artifacts: Annotated[list[str], typer.Argument(metavar="ID...", help="Artifacts, or the beginnings of their ids.")],
    add: Annotated[list[str] | None, typer.Option(help="A label to put on; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A label to take off; repeatable.")] = None,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Put labels on artifacts, or take them off. What has the label `hold` is never removed."""
    from flows.library.labelling import update_labels
    from flows.running.platform import open_platform

    if not add and not remove:
        raise WrongInput("Say which label: --add LABEL or --remove LABEL.")
    space = open_platform().space(project)
    records = [space.records.resolve(artifact) for artifact in artifacts]
    labels = {
        r.artifact.sha256: list(update_labels(space, r.artifact.sha256, add or (), remove or ())) for r in records
    }
    rows = [
        f"{record.artifact.sha256[:12]}  {record.name}  {', '.join(labels[record.artifact.sha256])}"
        for record in records
    ]
    print_result({"labels": labels}, as_json, "\n".join(rows))


def rebuild(
    read: Annotated[bool, typer.Option(help="First read the text in pictures, and files, that were not.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Make a project's index again, from the bucket alone."""
    from flows.care.rebuild_index import read_and_rebuild, rebuild_index
    from flows.running.form import Form
    from gateway.cli.local import run_locally

    with progress_bar() as progress:
        report = run_locally(
            project, Form(), lambda context, _: (read_and_rebuild if read else rebuild_index)(context), progress
        )
    failures = [f"{sha256[:12]}  {reason}" for sha256, reason in report["failures"].items()]
    print_result(report, as_json, "\n".join([*failures, f"{report['artifacts']} artifacts are findable."]))


def verify(
    repair: Annotated[bool, typer.Option(help="Mend what can be mended; what is broken goes to quarantine.")] = False,
    source: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="A backup (a folder, or s3://BUCKET) to repair from.")
    ] = "",
    keys: Profile = BACKUP,
    quick: Annotated[bool, typer.Option(help="Do not read the bytes of every file again.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Look whether files, records and index are whole."""
    from functools import partial

    from flows.care.repair import repair_project
    from flows.care.verify import Inspection, VerifyReport, verify_project
    from gateway.cli.backup_targets import backup_target
    from gateway.cli.local import run_locally

    work = verify_project
    if repair or source:
        work = partial(repair_project, backup=backup_target(source, keys)) if source else repair_project
    with progress_bar() as progress:
        found = run_locally(project, Inspection(quick=quick, project=project), work, progress)
    report = VerifyReport.model_validate(found)
    print_result(found, as_json, "\n".join([*(f"- {finding}" for finding in report.findings), str(report)]))
    if report.open:
        raise typer.Exit(SOME_FAILED)


def gc(
    delete: Annotated[bool, typer.Option(help="Really mark and remove; otherwise only tell.")] = False,
    grace: Annotated[float, typer.Option(metavar="HOURS", help="How long files that nothing names stay.")] = 24,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Remove files that nothing names. One pass marks them, a later one removes them, each after the grace time."""
    import asyncio

    from flows.care.collect_garbage import Collection, collect_garbage
    from flows.care.in_use import artifacts_in_use
    from gateway.cli.dispatch import prefect_client_settings
    from gateway.cli.local import run_locally
    from storage.care.garbage import GarbageReport

    form = fill_form(Collection, grace_hours=grace, project=project)
    in_use: set[str] = set()
    if not local:
        with prefect_client_settings():
            in_use = asyncio.run(artifacts_in_use())
    with progress_bar() as progress:
        found = run_locally(
            project,
            form,
            lambda context, given: collect_garbage(context, given, delete=delete, in_use=in_use),
            progress,
        )
    print_result(found, as_json, str(GarbageReport.model_validate(found)))


def retain(
    delete: Annotated[bool, typer.Option(help="Really remove; otherwise only tell.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Remove artifacts whose time, by their label, is over.

    configs/retention.yaml has the times; what is on hold stays.
    """
    import asyncio

    from flows.care.removed_runs import delete_runs_of_removed
    from flows.care.retain import RetainReport, Retention, apply_retention
    from flows.running.errors import NotReachable
    from flows.running.platform import open_platform
    from gateway.cli.dispatch import prefect_client_settings
    from gateway.cli.local import run_locally

    with progress_bar() as progress:
        found = run_locally(
            project, Retention(project=project), lambda context, _: apply_retention(context, delete=delete), progress
        )
    report = RetainReport.model_validate(found)
    if delete:
        try:
            with prefect_client_settings():
                asyncio.run(delete_runs_of_removed(open_platform().space(project)))
        except NotReachable:
            say("Runs about what was removed are deleted by the next pass while the Prefect server answers.")
    rows = [f"{item.artifact[:12]}  {item.name}  {item.rule}" for item in report.expired]
    rows += report.unreadable.values()
    print_result(found, as_json, "\n".join([*rows, str(report)]))
