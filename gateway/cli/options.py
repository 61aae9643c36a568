"""Options that several commands share."""

from typing import Annotated

import typer

Project = Annotated[str, typer.Option("--project", help="The project to work in.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Local = Annotated[bool, typer.Option("--local", help="Work in this process, without the Prefect server.")]
BACKUP = "BACKUP"
"""The default profile of a backup's bucket."""
Profile = Annotated[
    str, typer.Option("--keys", metavar="NAME", help="TRIPTYCH_<NAME>_S3_ENDPOINT and its like say where a bucket is.")
]
