"""Commands on one stored artifact: show and export."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import print_result, write_file
from gateway.errors import WrongInput


def show(
    artifact: str,
    at: Annotated[str, typer.Option(help="A place in a document, such as page=3: what is written there.")] = "",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """The record of an artifact, how it was made, and a link. With --at, the words at a place in it."""
    from flows.library.indexing import recognized_concepts
    from flows.library.reading.contents import find_contents
    from flows.library.reading.live_photos import live_photo_of
    from flows.running.platform import open_platform

    space = open_platform().space(project)
    record = space.records.resolve(artifact)
    contents = find_contents(space, record.artifact)
    places = dict.fromkeys(each.place for each in contents.passages if each.place) if contents else {}
    if at:
        words = [each.text for each in contents.passages if each.place == at] if contents else []
        if not words:
            raise WrongInput(f"{record.name} has no words at {at}: its places are {', '.join(places) or 'none'}.")
        print_result({"place": at, "text": "\n\n".join(words)}, as_json, "\n\n".join(words))
        return
    recipe = space.recipes.find(record.producer) if record.producer else None
    live_photo = live_photo_of(space, record)
    children = space.library.children(project, record.artifact.sha256)
    document = {
        "record": record.model_dump(mode="json"),
        "labels": list(space.labels.of(record)),
        "children": [child.model_dump(mode="json") for child in children],
        "recipe": recipe.model_dump(mode="json") if recipe else None,
        "places": list(places),
        "live_photo": live_photo.model_dump() if live_photo else None,
        "concepts": recognized_concepts(space, record.artifact),
        "url": space.store.url(record.artifact, record.name),
    }
    print_result(document, as_json, json.dumps(document, ensure_ascii=False, indent=1))


def export(artifact: str, path: Path, project: Project = "default", as_json: Json = False) -> None:
    """Write the bytes of an artifact to a file or a folder."""
    from flows.library.file_names import file_name
    from flows.running.platform import open_platform

    space = open_platform().space(project)
    record = space.records.resolve(artifact)
    target = path / file_name(record.name) if path.is_dir() else path
    with space.store.local(record.artifact) as verified:
        write_file(target, verified.read_bytes())
    print_result({"artifact": record.artifact.sha256, "path": str(target)}, as_json, str(target))


def delete(
    artifacts: Annotated[list[str], typer.Argument(metavar="ID...", help="Artifacts, or the beginnings of their ids.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take them out of the trash again.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Put artifacts into the trash, or take them out. `triptych retain --delete` empties it after 30 days."""
    from getpass import getuser

    from flows.library.trash import move_to_trash, take_out_of_trash
    from flows.running.platform import open_platform

    space = open_platform().space(project)
    records = [space.records.resolve(artifact) for artifact in artifacts]
    if undo:
        done = [record for record in records if take_out_of_trash(space, record.artifact.sha256)]
        rows = [f"{record.artifact.sha256[:12]}  {record.name} is back." for record in done]
    else:
        until = [move_to_trash(space, record.artifact.sha256, getuser()) for record in records]
        done = records
        rows = [
            f"{r.artifact.sha256[:12]}  {r.name} is in the trash until {u:%Y-%m-%d}."
            for r, u in zip(records, until, strict=True)
        ]
    print_result({"artifacts": [r.artifact.sha256 for r in done]}, as_json, "\n".join(rows) or "None was in the trash.")
