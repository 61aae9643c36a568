"""What classifiers predicted for artifacts: one reference each, beside the `auto:` label that people see.

refs/predictions/ID.json    by the name of the classifier: its label, the probability, and the version that said so
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from flows.running.platform import Space

FOLDER = "predictions"
AUTO = "auto:"
"""How the labels that classifiers put on begin. People's labels have no such beginning."""
_AT_ONCE = 4


class Prediction(BaseModel):
    """One classifier's prediction for an artifact; an empty label: it is none of those that the classifier knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    probability: float
    version: str
    others: tuple[str, ...] = ()
    """The labels that the classifier knows, without the predicted one."""


def predictions_of(space: Space, sha256: str) -> dict[str, Prediction]:
    """The predictions for an artifact, by the name of the classifier."""
    value = space.refs.get(f"{FOLDER}/{sha256}") or {}
    return {name: Prediction.model_validate(each) for name, each in value.items()}


def predictions_of_many(space: Space, ids: Sequence[str]) -> dict[str, dict[str, Prediction]]:
    """The predictions for those of the artifacts that have some, by artifact id."""
    predicted = set(space.refs.names(FOLDER))
    asked = [sha256 for sha256 in ids if f"{FOLDER}/{sha256}" in predicted]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(asked, threads.map(partial(predictions_of, space), asked), strict=True))


def keep_prediction(space: Space, sha256: str, classifier: str, prediction: Prediction) -> None:
    """Replace the prediction of a classifier for an artifact."""

    def changed(value: Any | None) -> Any:
        return (value or {}) | {classifier: prediction.model_dump(mode="json")}

    space.refs.update(f"{FOLDER}/{sha256}", changed)


def forget_predictions(space: Space, sha256: str) -> None:
    """Delete the predictions for an artifact that was removed."""
    space.refs.remove(f"{FOLDER}/{sha256}")


def confirmed_label(labels: Sequence[str], classes: Sequence[str], predicted: Mapping[str, Prediction]) -> str | None:
    """The class that people say an artifact is of; None if they did not, or said several.

    A plain label is a person's. Where there are two classes, taking the `auto:` label of one off says the other.
    """
    said = [label for label in classes if label in labels]
    if said:
        return said[0] if len(said) == 1 else None
    for prediction in predicted.values():
        is_taken_off = bool(prediction.label) and f"{AUTO}{prediction.label}" not in labels
        if is_taken_off and len(prediction.others) == 1 and {prediction.label, *prediction.others} == set(classes):
            return prediction.others[0]
    return None
