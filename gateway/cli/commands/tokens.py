"""Commands on access tokens: create, list, revoke."""

from typing import Annotated, Any

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import print_result
from gateway.errors import WrongInput

app = typer.Typer(name="token", help="Who may use the gateway, and as what.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[str, typer.Option(help="viewer: find and look; maker: also add and make; admin: everywhere.")],
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Make a token and show it, once."""
    from gateway.tokens import ROLES

    if role not in ROLES:
        raise WrongInput(f"There is no role {role}: use {', '.join(ROLES)}.")
    token = _tokens().create(name, role, project)
    print_result({"token": token}, as_json, token)


@app.command(name="list")
def list_tokens(as_json: Json = False) -> None:
    """Who holds a token."""
    people = _tokens().list_people()
    rows = [f"{person.name:24} {person.role:8} {person.project:16} {person.created:%Y-%m-%d}" for person in people]
    print_result({"tokens": [person.model_dump(mode="json") for person in people]}, as_json, "\n".join(rows))


@app.command()
def revoke(name: str, as_json: Json = False) -> None:
    """Make a token worthless."""
    _tokens().revoke(name)
    print_result({"revoked": name}, as_json, f"The token of {name} is revoked.")


def _tokens() -> Any:
    from flows.running.platform import open_platform
    from gateway.tokens import Tokens

    return Tokens(open_platform().bucket)
