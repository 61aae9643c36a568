"""What classifiers predicted for artifacts: one reference each, beside the `auto:` label that people see.

refs/predictions/ID.json    by the name of the classifier: its label, the probability, and the version that said so
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from flows.running.platform import Space
from storage.errors import RecordCorrupt

FOLDER = "predictions"
AUTO = "auto:"
"""How the labels that classifiers put on begin. People's labels have no such beginning."""
_AT_ONCE = 4
_LONGEST = 64


class Prediction(BaseModel):
    """One classifier's prediction for an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    """The one whose `auto:` label was put on; empty if it was not sure enough."""
    best: str = ""
    """The most probable label."""
    probability: float
    version: str
    others: tuple[str, ...] = ()
    """The labels that the classifier knows, without the predicted one."""


_SHAPE = TypeAdapter(dict[str, Prediction])


def predictions_of(space: Space, sha256: str) -> dict[str, Prediction]:
    """The predictions for an artifact, by the name of the classifier. Raises RecordCorrupt."""
    return space.refs.get_as(f"{FOLDER}/{sha256}", _SHAPE) or {}


def predictions_of_many(space: Space, ids: Sequence[str]) -> dict[str, dict[str, Prediction]]:
    """The predictions for those of the artifacts that have some that can be read, by artifact id."""
    predicted = set(space.refs.names(FOLDER))
    asked = [sha256 for sha256 in ids if f"{FOLDER}/{sha256}" in predicted]

    def read(sha256: str) -> dict[str, Prediction]:
        try:
            return predictions_of(space, sha256)
        except RecordCorrupt:
            return {}

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(asked, threads.map(read, asked), strict=True))


def keep_prediction(space: Space, sha256: str, classifier: str, prediction: Prediction) -> None:
    """Replace the prediction of a classifier for an artifact."""

    def changed(value: Any | None) -> Any:
        return (value or {}) | {classifier: prediction.model_dump(mode="json")}

    space.refs.update(f"{FOLDER}/{sha256}", changed)


def forget_predictions(space: Space, sha256: str) -> None:
    """Delete the predictions for an artifact that was removed."""
    space.refs.remove(f"{FOLDER}/{sha256}")


def auto_label(label: str) -> str:
    """The label that a classifier puts on for one of its labels."""
    return f"{AUTO}{label.replace(',', ';')}"[:_LONGEST].strip()


def was_taken_off(prediction: Prediction, labels: Sequence[str]) -> bool:
    """Whether a person took the `auto:` label of this prediction off, and no other one of the classifier is on."""
    known = {auto_label(label) for label in (prediction.label, *prediction.others)}
    return bool(prediction.label) and known.isdisjoint(labels)


def confirmed_label(labels: Sequence[str], classes: Sequence[str], predicted: Mapping[str, Prediction]) -> str | None:
    """The class that people say an artifact is of; None if they did not, or said several.

    A plain label is a person's. Where there are two classes, taking the `auto:` label of one off says the other.
    """
    said = [label for label in classes if label in labels]
    if said:
        return said[0] if len(said) == 1 else None
    for prediction in predicted.values():
        is_of_two = len(prediction.others) == 1 and {prediction.label, *prediction.others} == set(classes)
        if is_of_two and was_taken_off(prediction, labels):
            return prediction.others[0]
    return None
