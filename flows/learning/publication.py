"""Publish a version of a model past the gate, and roll back."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from flows.learning.folders import training_folder
from flows.learning.gate import compare_at_gate, is_classifier, load_classifier, outside_labels
from flows.library.classification.classifiers import classifier_model
from flows.running.platform import Platform
from flows.running.settings import ROOT
from modalities.models.published import PublishedModels
from training.classification.costs import FACTS
from training.classification.gate import GateReport
from training.datasets.folder import DATASET, read_folder
from training.fine_tuning.ratings import RatingReport
from training.pipeline import MODEL, TrainingError, TrainingRecipe
from training.recipes import load_recipe

PROPOSED = "proposed"
"""The alias of the version that a scheduled training proposes, and that a person may publish."""


class GateRefused(TrainingError):
    """The candidate is worse than the version in use; the message says where, and how to publish it all the same."""


class Publication(BaseModel):
    """What an alias names now, what it named before, and what the gate said; None for models without a gate."""

    model: str
    alias: str
    version: str
    before: str | None
    gate: GateReport | RatingReport | None = None
    forced: bool = False


def model_of(platform: Platform, project: str, name: str) -> str:
    """The model that a name means: one of the catalogue, or a classifier of the project."""
    return name if name in platform.catalogue.models or "." in name else classifier_model(project, name)


def publish_trained(
    platform: Platform, model: str, alias: str, *, folder: Path | None = None, force: bool = False, why: str = ""
) -> Publication:
    """Publish the weights of a folder, by default those trained here. Raises GateRefused, UnknownVersion."""
    work = training_folder(platform.settings.home, model)
    chosen = folder or work / MODEL
    gate = gate_report(platform, model, alias, chosen, work / DATASET)
    if gate and not gate.passed:
        if not force:
            raise GateRefused(f"{gate} Publish it all the same with --force --why REASON.")
        if not why.strip():
            raise GateRefused("Say why it is published although it is worse: --why REASON.")
    forced = bool(gate and not gate.passed)
    published = PublishedModels(platform.bucket)
    digest = published.upload(model, chosen)
    decision: dict[str, Any] = {"what": "published", "why": why, "forced": forced}
    before = published.move_alias(model, alias, digest, decision | ({"gate": str(gate)} if gate else {}))
    return Publication(model=model, alias=alias, version=digest, before=before, gate=gate, forced=forced)


def propose_trained(platform: Platform, model: str) -> Publication:
    """Store the classifier that was trained here as a version under the alias `proposed`, whatever the gate says."""
    work = training_folder(platform.settings.home, model)
    gate = gate_report(platform, model, "live", work / MODEL, work / DATASET)
    published = PublishedModels(platform.bucket)
    digest = published.upload(model, work / MODEL)
    before = published.move_alias(model, PROPOSED, digest, {"what": "proposed", "gate": str(gate)})
    return Publication(model=model, alias=PROPOSED, version=digest, before=before, gate=gate)


def publish_version(platform: Platform, model: str, alias: str, wanted: str, why: str = "") -> Publication:
    """Move an alias to an earlier version: the beginning of its digest, or `previous`. Raises UnknownVersion."""
    published = PublishedModels(platform.bucket)
    digest = published.resolve(model, alias, wanted)
    before = published.move_alias(model, alias, digest, {"what": f"moved to {wanted}", "why": why})
    return Publication(model=model, alias=alias, version=digest, before=before)


def gate_report(
    platform: Platform, model: str, alias: str, candidate: Path, dataset: Path
) -> GateReport | RatingReport | None:
    """Compare a candidate with the version in use on the test split of the candidate's dataset.

    None for a folder that is no classifier. Raises TrainingError if the two cannot be compared.
    """
    if not is_classifier(candidate):
        return None
    loaded, data = load_classifier(candidate), read_folder(dataset)
    if loaded.facts.dataset != f"{data.facts.name}@{data.facts.digest}":
        raise GateRefused(
            f"{candidate} was trained on {loaded.facts.dataset[:60]}, not on the dataset beside it: train it again."
        )
    live_digest = PublishedModels(platform.bucket).version_of(model, alias)
    live = load_classifier(version_folder(platform, model, live_digest)) if live_digest else None
    space = platform.space(model.split(".")[1])
    return compare_at_gate(space, loaded, live, data, outside_labels(recipe_of(candidate)))


def recipe_of(folder: Path) -> TrainingRecipe:
    """The recipe that made a model, as `facts.json` beside its weights says. Raises TrainingError."""
    try:
        name = str(json.loads((folder / FACTS).read_text(encoding="utf-8"))["recipe"])
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{folder} has no facts.json: train the model with `triptych train`.") from error
    return load_recipe(name, ROOT / "configs")


def version_folder(platform: Platform, model: str, digest: str) -> Path:
    """The folder of a published version on this machine."""
    return platform.locator.published_folder(platform.catalogue.spec(model), digest)
