"""Options that every command takes."""

from typing import Annotated

import typer

Project = Annotated[str, typer.Option("--project", help="The project to work in.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Local = Annotated[bool, typer.Option("--local", help="Work in this process, without the Prefect server.")]
