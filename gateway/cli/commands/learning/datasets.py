"""Commands on datasets: create, list, show, diff, card, delete."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import print_result, progress_bar
from gateway.errors import WrongInput
from gateway.forms import fill_form

if TYPE_CHECKING:
    from training.datasets.versions import Datasets

app = typer.Typer(name="dataset", help="What your own models learn from (docs/learning.md).", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="NAME, or NAME@DIGEST for an earlier version.")]
_SHOWN = 20


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Of the dataset: a-z, 0-9 and -.")],
    source: Annotated[
        list[str],
        typer.Option("--from", help="labels, reviews, collection:NAME, a CSV or TSV file (repeatable), or a folder."),
    ],
    label: Annotated[list[str] | None, typer.Option(help="A label that is a class; repeatable. None: all.")] = None,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="What has no label, too.")] = False,
    mask: Annotated[
        bool, typer.Option("--mask", help="Mask e-mail addresses, telephone and card numbers, names.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the data, for the card.")] = "",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Make a version of a dataset, and say what is in it: labels, splits, personal data."""
    from flows.learning.create_dataset import DatasetOrder, create_from
    from flows.learning.datasets import DatasetReport
    from gateway.cli.local import run_locally

    paths = [Path(each) for each in source if Path(each).exists()]
    if paths and len(paths) < len(source):
        raise WrongInput(f"There is no file {next(each for each in source if not Path(each).exists())}.")
    if len(source) > 1 and not paths:
        raise WrongInput("Give --from once, or once for each file.")
    order = fill_form(
        DatasetOrder,
        name=name,
        source="labels" if paths else source[0],
        labels=label or [],
        unlabelled=unlabelled,
        mask=mask,
        licence=licence,
        project=project,
    )
    with progress_bar() as progress:
        found = run_locally(project, order, lambda context, form: create_from(context, form, paths), progress)
    print_result(found, as_json, str(DatasetReport.model_validate(found)))


@app.command(name="list")
def list_datasets(project: Project = "default", as_json: Json = False) -> None:
    """The datasets of a project, with their newest versions."""
    datasets = _datasets(project)
    newest = {name: datasets.versions(name)[0] for name in datasets.names()}
    rows = [
        f"{name:24} {version.digest[:12]}  {version.size:6} {version.kind} {version.created:%Y-%m-%d} {version.source}"
        for name, version in newest.items()
    ]
    document = {name: version.model_dump(mode="json") for name, version in newest.items()}
    print_result({"datasets": document}, as_json, "\n".join(rows) or "There are no datasets.")


@app.command()
def show(name: Name, project: Project = "default", as_json: Json = False) -> None:
    """A version, those before it, and its first items."""
    from training.datasets.manifest import short

    datasets = _datasets(project)
    version = datasets.find(name)
    manifest = datasets.read(version)
    older = [each for each in datasets.versions(name.partition("@")[0]) if each.digest != version.digest]
    totals = ", ".join(f"{sum(labels.values())} {split}" for split, labels in version.counts.items())
    rows = [
        f"{version.digest}  {version.size} {version.kind}, {len(manifest.labels)} labels: {totals}",
        f"from {version.source}; personal data: {version.personal or 'none'}; left out: {version.left_out or 'no'}",
        *(f"before: {each.digest[:12]}  {each.size} {each.kind}, {each.created:%Y-%m-%d}" for each in older),
        *(f"  {item.split:10} {item.label or '':24} {short(item)}" for item in manifest.items[:_SHOWN]),
    ]
    document = version.model_dump(mode="json") | {
        "digest": version.digest,
        "items": [item.model_dump(mode="json") for item in manifest.items],
    }
    print_result(document, as_json, "\n".join(rows))


@app.command()
def diff(
    name: Name,
    other: Annotated[
        str, typer.Argument(help="NAME@DIGEST of another version; the one before, if it is left out.")
    ] = "",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """What a version has that another one has not, and which labels changed."""
    from training.datasets.card import difference

    datasets = _datasets(project)
    now = datasets.find(name)
    if not other and now.parent is None:
        raise WrongInput(f"{name} has no version before this one: name another one.")
    before = datasets.find(other or f"{name.partition('@')[0]}@{now.parent}")
    found = difference(datasets.read(before), datasets.read(now))
    rows = [
        *(f"+ {each}" for each in found.added),
        *(f"- {each}" for each in found.removed),
        *(f"~ {item}: {was} → {now_is}" for item, (was, now_is) in found.relabelled.items()),
        str(found),
    ]
    print_result(found.model_dump(mode="json"), as_json, "\n".join(rows))


@app.command()
def card(name: Name, project: Project = "default", as_json: Json = False) -> None:
    """A page in Markdown about a version: origin, licence, labels, what is thin."""
    from training.datasets.card import dataset_card

    page = dataset_card(name.partition("@")[0], _datasets(project).find(name))
    print_result({"card": page}, as_json, page)


@app.command()
def delete(name: Annotated[str, typer.Argument(help="Of the dataset.")], project: Project = "default") -> None:
    """Forget a dataset with all its versions; `triptych gc` removes what they held."""
    _datasets(project).delete(name)
    print_result({"deleted": name}, False, f"The dataset {name} is forgotten.")


def _datasets(project: str) -> "Datasets":
    from flows.learning.datasets import datasets_of
    from flows.running.platform import open_platform

    return datasets_of(open_platform().space(project))
