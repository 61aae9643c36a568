"""Commands on the embedded stack: up, down, status, password, rights, doctor."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import NOT_REACHABLE, print_result, say
from gateway.errors import WrongInput

if TYPE_CHECKING:
    from stack.lifecycle import StackStatus
    from workers.shown.status import SlotStatus

SIGN_IN = "`triptych password` prints what it asks for"


def up(
    pull: Annotated[bool, typer.Option("--pull", help="Download the models of the profile that are missing.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Start the servers, the workers and the gateway here."""
    from gateway.cli.commands.models import report_missing
    from stack import lifecycle

    report_missing(pull=pull)
    found = lifecycle.up(report=say)
    print_result(found.model_dump(), as_json, _address_rows(found))


def down(project: Project = "default", as_json: Json = False) -> None:
    """Stop what `up` started; the data stays."""
    from stack import lifecycle

    lifecycle.down(report=say)
    print_result({"stopped": True}, as_json, "Stopped.")


def status(project: Project = "default", as_json: Json = False) -> None:
    """What runs, and at which addresses."""
    from stack import lifecycle

    found = lifecycle.status()
    rows = "\n".join(f"{part.name:12} {'running' if part.running else 'stopped'}" for part in found.parts)
    print_result(found.model_dump(), as_json, "\n".join([_address_rows(found), rows, *_worker_rows(found)]))
    if not found.running:
        raise typer.Exit(NOT_REACHABLE)


def password(
    part: Annotated[Literal["prefect", "gateway"], typer.Argument(help="Which server to sign in to.")] = "prefect",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Print what signs you in. It is the password of the Prefect UI, or the token of the gateway."""
    from flows.running.settings import load_settings

    settings = load_settings()
    secret = settings.prefect_auth_string if part == "prefect" else settings.gateway_token
    if secret is None:
        raise WrongInput(f"No password of the {part} server is known here: ask whoever runs it.")
    print_result({"part": part, "password": secret.get_secret_value()}, as_json, secret.get_secret_value())


def rights(
    role: Annotated[Literal["worker", "gateway"], typer.Argument(help="Whose rights.")],
    only: Annotated[list[str] | None, typer.Option(help="A project it works for; repeatable. All if left out.")] = None,
    bucket: Annotated[str, typer.Option(help="The bucket.")] = "triptych",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Print the least rights of a role as an S3 policy. It is for an S3 server of your own."""
    import json

    from stack.servers.s3_rights import EVERY_PROJECT, policy
    from storage.artifacts import checked_project

    projects = [checked_project(name) for name in only or []] or [EVERY_PROJECT]
    document = policy(role, bucket, projects)
    print_result(document, as_json, json.dumps(document, indent=1))


def doctor(project: Project = "default", as_json: Json = False) -> None:
    """Check this machine, the models and the stack. What is wrong comes with what to do about it."""
    from gateway.cli.doctor import examine

    findings = list(examine())
    rows = [f"{'ok ' if finding.well else 'BAD'}  {finding.what}: {finding.detail}" for finding in findings]
    print_result({"findings": [finding.model_dump() for finding in findings]}, as_json, "\n".join(rows))
    if not all(finding.well for finding in findings):
        raise typer.Exit(NOT_REACHABLE)


def _worker_rows(found: "StackStatus") -> list[str]:
    """Return a row for each worker with its queue, and one for each slot with its run and loaded models."""
    rows: list[str] = []
    for worker in found.workers:
        queue = f"{worker.waiting_runs} runs wait, the oldest for {worker.queue_age_seconds:.0f} s"
        rows.append(f"{worker.worker}: {queue if worker.waiting_runs else 'nothing waits'}")
        rows += [_slot_row(slot) for slot in worker.slots]
    return rows


def _slot_row(slot: "SlotStatus") -> str:
    models = "".join(f", {model} {size / 1e6:.0f} MB" for model, size in slot.models.items())
    return (
        f"  {slot.slot:8} {slot.flow_run_id or 'idle':36}  {slot.runs_done} runs, {slot.reloads} reloads, "
        f"{slot.restarts} restarts, {slot.resident_bytes / 1e6:.0f} MB{models}"
    )


def _address_rows(found: "StackStatus") -> str:
    return f"Prefect {found.prefect} ({SIGN_IN})\nS3      {found.s3}\nGateway {found.gateway}\nData    {found.home}"
