"""The encoders that fine-tuning begins with: of the catalogue, published by a project, or trained on this machine."""

from pathlib import Path

from flows.learning.folders import training_folder
from flows.library.classification.classifiers import project_model
from flows.running.platform import Space
from modalities.contract import Weights
from modalities.embedding.text_encoder import model_folder
from modalities.errors import ModelUnavailable
from modalities.models.weight_files import files_digest, list_weight_files
from training.fine_tuning.encoder import link_encoder
from training.pipeline import MODEL

_FAMILY = "encoder"
"""As in training.pretraining.recipe, which is not imported here because it loads torch."""


def encoder_model(space: Space, name: str) -> str:
    """The model that a name means: one of the catalogue, or encoder.PROJECT.NAME."""
    is_known = name in space.catalogue.models or "." in name
    return name if is_known else project_model(_FAMILY, space.project, name)


def link_base(space: Space, model: str, work: Path) -> None:
    """Link the folder of an encoder into a work folder. Raises ModelUnavailable, UnknownModel.

    One of text-pretraining that is not published is taken from where it was trained here.
    """
    platform = space.platform
    trained = training_folder(platform.settings.home, model) / MODEL
    if model.startswith(f"{_FAMILY}.") and trained.exists() and not _is_published(space, model):
        digest = files_digest(list_weight_files(trained, ()))
        link_encoder(work, trained, model, digest)
        return
    weights: Weights = platform.locator.locate(space.catalogue.spec(model))
    link_encoder(work, model_folder(model, weights), model, weights.digest)


def _is_published(space: Space, model: str) -> bool:
    try:
        space.platform.locator.digest(space.catalogue.spec(model))
    except ModelUnavailable:
        return False
    return True
