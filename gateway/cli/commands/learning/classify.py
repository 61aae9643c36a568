"""Commands that use classifiers: classify, auto-label."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form
from gateway.cli.terminal import existing_file, print_result, progress_bar
from gateway.forms import fill_form

if TYPE_CHECKING:
    from modalities.classification.attribution import Explanation
    from modalities.classification.requests import Classified, Rated

_MOST_WORDS = 8
_SHADES = " .:-=+*#%@"


def classify(
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Texts to classify.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="CLASSIFIER", help="A published classifier of the project.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(help="Instead of a classifier: labels by their meaning; repeatable.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with one text a line.")] = None,
    artifact: Annotated[list[str] | None, typer.Option(help="A stored picture or text; repeatable.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Show which words or regions made each answer.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Say which label texts or pictures have.

    The probability stands beside it; nothing is stored."""
    from flows.library.classification.asking import ClassificationOrder, ClassificationReport
    from flows.library.classification.asking import classify as classify_work
    from gateway.cli.local import run_locally
    from media.plain_text import read_text

    lines = [line for line in read_text(existing_file(file)).splitlines() if line.strip()] if file else []
    given = {"texts": [*(texts or []), *lines], "artifacts": artifact or []}
    order = fill_form(ClassificationOrder, classifier=by, labels=label or [], why=why, project=project, **given)
    with progress_bar() as progress:
        found = run_locally(project, order, classify_work, progress)
    report = ClassificationReport.model_validate(found)
    names = [*given["texts"], *given["artifacts"]]
    rows = [f"{_said(result)}  {name[:80]}" for name, result in zip(names, report.results, strict=True)]
    rows = [f"{row}\n{_shown(reason)}" for row, reason in zip(rows, report.why, strict=True)] if why else rows
    print_result(found, as_json, "\n".join(rows))


def _said(result: "Classified | Rated") -> str:
    """The label with its probability, or the number."""
    from modalities.classification.requests import Rated

    if isinstance(result, Rated):
        return f"{result.value:8.2f}"
    return f"{result.label if result.in_scope else '(none of the labels)':28} {result.probability:.2f}"


def _shown(why: "Explanation") -> str:
    """The words with the largest effects, or the regions of a picture in characters that grow darker."""
    if why.regions:
        return "\n".join(f"    {''.join(_SHADES[round(each * 9)] * 2 for each in row)}" for row in why.regions)
    largest = sorted(why.words, key=lambda word: -abs(word.effect))[:_MOST_WORDS]
    return f"    {', '.join(f'{word.word} {word.effect:+.2f}' for word in largest) or '(no words)'}"


def auto_label(
    classifier: Annotated[str, typer.Argument(help="A published classifier of the project.")],
    least: Annotated[float, typer.Option(help="The least probability; 0 for the classifier's own threshold.")] = 0.0,
    at_ingest: Annotated[
        str, typer.Option(help="on: it labels what comes in, too, from now on; off: no more.")
    ] = "as it is",
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Put `auto:` labels on what a classifier is sure about.

    They go with their probabilities; labels of people stay as they are."""
    from flows.learning.auto_label import AutoLabelling
    from flows.library.classification.automatic import AutoLabels

    form = fill_form(AutoLabelling, classifier=classifier, least=least, at_ingest=at_ingest, project=project)
    found = run_form("auto-label", "labelling", form, "flows.learning.auto_label:label_library", local)
    print_result(found, as_json, str(AutoLabels.model_validate(found)))
