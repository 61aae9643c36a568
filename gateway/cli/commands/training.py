"""Commands on your own models: train, evaluate, publish, and roll back to an earlier version."""

import math
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import print_result, progress_bar, say
from gateway.forms import fill_form

if TYPE_CHECKING:
    from modalities.contract import ModelSpec
    from training.pipeline import Progress

_REPORT_SECONDS = 30.0
Recipe = Annotated[
    str, typer.Argument(help="icons, a model of configs/translation.yaml, or a recipe of configs/learning.yaml.")
]
Alias = Annotated[str, typer.Option(help="What the catalogue calls the version to use.")]
Why = Annotated[str, typer.Option(help="The reason, which is kept beside the alias.")]
Data = Annotated[Path | None, typer.Option(help="A folder of sentence pairs, of pictures with captions, or of texts.")]


def train(
    recipe: Recipe,
    dataset: Annotated[str, typer.Option(help="NAME or NAME@DIGEST, for recipes of configs/learning.yaml.")] = "",
    model: Annotated[str, typer.Option("--as", help="With --dataset: what to call the model; else its name.")] = "",
    encoder: Annotated[str, typer.Option(help="Another encoder of texts than the recipe's own.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    minutes: Annotated[float, typer.Option(help="Stop after so many; --resume goes on.")] = math.inf,
    data: Data = None,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Train a model by its recipe, in this process. It is measured, and its card written."""
    from flows.learning.folders import training_folder
    from flows.running.settings import ROOT, default_home
    from training.pipeline import MODEL
    from training.recipes import learns_from_datasets, load_recipe
    from training.run import train_recipe

    if dataset or learns_from_datasets(recipe, ROOT / "configs"):
        order = {"recipe": recipe, "dataset": dataset, "model": model, "encoder": encoder, "project": project}
        _train_in_project(order, data, minutes, as_json)
        return

    work = training_folder(default_home(), recipe)
    chosen = load_recipe(recipe, ROOT / "configs")
    with _training_progress() as progress:
        measured = train_recipe(chosen, work, data=data, resume=resume, minutes=minutes, progress=progress, say=say)
    document = {"recipe": recipe, "folder": str(work / MODEL), "measured": dict(measured)}
    print_result(document, as_json, f"{_rows(measured)}\n{work / MODEL}: `triptych publish {recipe}` puts it to use.")


def _train_in_project(order: Mapping[str, str], data: Path | None, minutes: float, as_json: bool) -> None:
    from flows.learning.train_model import TrainingOrder
    from flows.learning.train_model import train as train_work
    from gateway.cli.local import run_locally

    given = {"data": str(data.absolute()) if data else "", "minutes": minutes if math.isfinite(minutes) else 0.0}
    form = fill_form(TrainingOrder, **order, **given)
    with progress_bar() as progress:
        found = run_locally(order["project"], form, train_work, progress)
    print_result(
        found,
        as_json,
        f"{_rows(found['measured'])}\n{found['folder']}: `triptych publish {found['model']}` puts it to use.",
    )


def evaluate(
    model: Annotated[str, typer.Argument(help="A model of the catalogue, or a classifier of the project.")],
    data: Data = None,
    trained: Annotated[bool, typer.Option("--trained", help="What was trained here, not what is in use.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Measure the weights in use, as the model's recipe does."""
    from flows.learning.folders import training_folder
    from flows.learning.publication import recipe_of
    from flows.library.classification.classifiers import classifier_model
    from flows.running.settings import ROOT, default_home
    from training.pipeline import MODEL
    from training.recipes import load_recipe, recipe_names

    is_of_project = model not in recipe_names(ROOT / "configs")
    named = classifier_model(project, model) if is_of_project and "." not in model else model
    work = training_folder(default_home(), named)
    folder = work / MODEL if trained else _folder_in_use(named)
    recipe = recipe_of(folder) if is_of_project else load_recipe(model, ROOT / "configs")
    measured = recipe.evaluate(folder, work, data)
    print_result({"model": model, "folder": str(folder), "measured": dict(measured)}, as_json, _rows(measured))


def publish(
    model: Annotated[str, typer.Argument(help="A model of the catalogue, or a classifier of the project.")],
    alias: Alias = "live",
    version: Annotated[
        str, typer.Option(help="An earlier version instead: the beginning of its digest, or `previous`.")
    ] = "",
    folder: Annotated[Path | None, typer.Option(help="Weights from elsewhere, not those trained here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Although the gate refuses it; with --why.")] = False,
    why: Why = "",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Store weights as a version in the bucket, under an alias. Workers use it from then on.

    A classifier that is worse than the version in use is refused.
    """
    from flows.learning.publication import model_of, publish_trained, publish_version
    from flows.running.platform import open_platform

    platform = open_platform()
    named = model_of(platform, project, model)
    if version:
        found = publish_version(platform, named, alias, version, why)
    else:
        found = publish_trained(platform, named, alias, folder=folder, force=force, why=why)
    message = _publish_message(model, alias, found.version, found.before, platform.catalogue.find(named))
    if found.gate:
        message = f"{found.gate}\n{message}"
    print_result(found.model_dump(mode="json"), as_json, message)


def rollback(
    model: Annotated[str, typer.Argument(help="A model of the catalogue, or a classifier of the project.")],
    alias: Alias = "live",
    why: Why = "",
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Back to the version that an alias named before. Workers use it from their next request on."""
    from flows.learning.publication import model_of, publish_version
    from flows.running.platform import open_platform

    platform = open_platform()
    named = model_of(platform, project, model)
    found = publish_version(platform, named, alias, "previous", why)
    message = _publish_message(model, alias, found.version, found.before, platform.catalogue.find(named))
    print_result(found.model_dump(mode="json"), as_json, message)


def _publish_message(model: str, alias: str, digest: str, before: str | None, entry: "ModelSpec | None") -> str:
    message = f"{model}: {alias} is now {digest[:12]}"
    message += f", before it was {before[:12]}." if before else "."
    if entry is None or entry.source.alias != alias:
        message += f" Its entry in models.yaml uses it with `source: {{alias: {alias}}}`."
    return message


def _folder_in_use(model: str) -> Path:
    """Return the folder with the weights that the catalogue's entry resolves to, fetched from the bucket if need be."""
    from flows.running.platform import Platform
    from flows.running.settings import ROOT, Settings, SettingsMissing, default_home, load_settings
    from modalities.models.catalogue import load_catalogue
    from modalities.models.weights import WeightsLocator

    try:
        platform = Platform(load_settings())
        return (
            WeightsLocator(platform.settings.root, platform.settings.cache_dir, platform.bucket)
            .locate(platform.catalogue.spec(model))
            .folder
        )
    except SettingsMissing:
        catalogue = load_catalogue(ROOT / "configs" / "models.yaml", str(Settings.model_fields["profile"].default))
        return WeightsLocator(ROOT, default_home() / "cache", None).locate(catalogue.spec(model)).folder


def _rows(measured: Mapping[str, float]) -> str:
    return "\n".join(f"{name:24} {value:g}" for name, value in measured.items())


@contextmanager
def _training_progress() -> Generator["Progress"]:
    """Yield a progress callback: a bar with the loss on a terminal, else one line every 30 seconds."""
    if not sys.stderr.isatty():
        yield _line_reporter(say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4f}"), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(part: str, done: int, steps: int, loss: float) -> None:
            if part not in tasks:
                tasks[part] = bar.add_task(part, total=steps, completed=done, loss=loss)
            bar.update(tasks[part], completed=done, loss=loss)

        yield tell


def _line_reporter(say: Callable[[str], None]) -> "Progress":
    from training.run import Estimate, describe

    estimate, last_report = Estimate(), [-math.inf]

    def tell(part: str, done: int, steps: int, loss: float) -> None:
        left = estimate.seconds_left(part, done, steps)
        if done == steps or time.monotonic() - last_report[0] >= _REPORT_SECONDS:
            last_report[0] = time.monotonic()
            say(describe(part, done, steps, loss, left))

    return tell
