"""Commands on the whole bucket: backup, restore, migrate."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import BACKUP, Json, Profile, Project
from gateway.cli.terminal import SOME_FAILED, print_result, progress_bar, say

if TYPE_CHECKING:
    from storage.care.object_store import ObjectStore

Where = Annotated[str, typer.Argument(metavar="PLACE", help="A folder, or s3://BUCKET.")]


def backup(
    place: Where,
    keys: Profile = BACKUP,
    check: Annotated[bool, typer.Option(help="Read everything in the backup again, and copy nothing.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Copy what a place lacks of all projects, verified. It can be cut off and run again."""
    from gateway.cli.backup_targets import backup_target
    from gateway.cli.local import local_platform
    from storage.care.backup import back_up

    target = backup_target(place, keys)
    if check:
        _check_backup(target, as_json)
        return
    with local_platform() as platform, progress_bar() as progress:
        report = back_up(platform.bucket, target, progress)
    _print_report(report.model_dump(), report.problems, str(report), as_json)


def restore(place: Where, keys: Profile = BACKUP, project: Project = "default", as_json: Json = False) -> None:
    """Bring back from a backup what the bucket lacks. The index is made again; what is there stays."""
    from flows.care.rebuild_index import rebuild_index
    from flows.running.form import Form
    from gateway.cli.backup_targets import backup_target
    from gateway.cli.local import local_platform, run_locally
    from storage.care.backup import restore_backup
    from storage.records import list_projects

    with local_platform() as platform:
        with progress_bar() as progress:
            report = restore_backup(backup_target(place, keys), platform.bucket, progress)
        findable = 0
        for name in list_projects(platform.bucket):
            say(f"making the index of {name} again")
            with progress_bar() as progress:
                findable += run_locally(name, Form(), lambda context, _: rebuild_index(context), progress)["artifacts"]
    document = report.model_dump() | {"findable": findable}
    _print_report(document, report.problems, f"{report} {findable} artifacts are findable.", as_json)


def migrate(project: Project = "default", as_json: Json = False) -> None:
    """Bring the bucket of an older Triptych to this format."""
    from flows.care.migration import migrate_bucket
    from flows.running.platform import Platform
    from flows.running.settings import load_settings
    from gateway.cli.local import running_storage
    from storage.care.bucket_format import FORMAT

    with running_storage():
        before = migrate_bucket(Platform(load_settings()), say)
    changed = before is not None and before != FORMAT
    text = f"The bucket went from format {before} to {FORMAT}." if changed else f"The bucket has format {FORMAT}."
    print_result({"before": before, "format": FORMAT}, as_json, text)


def _check_backup(target: "ObjectStore", as_json: bool) -> None:
    from storage.care.backup import projects_in
    from storage.care.inspection import check_integrity

    with progress_bar() as progress:
        problems = [
            problem for name in projects_in(target) for problem in check_integrity(target, name, progress=progress)[1]
        ]
    sentences = [problem.sentence for problem in problems]
    _print_report({"problems": sentences}, sentences, "The backup is whole." if not problems else "", as_json)


def _print_report(document: dict[str, Any], problems: list[str], text: str, as_json: bool) -> None:
    print_result(document, as_json, "\n".join([*(f"- {problem}" for problem in problems), text]).strip())
    if problems:
        raise typer.Exit(SOME_FAILED)
