"""Active learning: ask people about what a classifier is least certain about; their answers are labels."""

from collections import defaultdict

from pydantic import BaseModel, ConfigDict

from flows.library.classification.predictions import (
    FOLDER,
    Prediction,
    auto_label,
    confirmed_label,
    predictions_of,
    predictions_of_many,
)
from flows.library.labelling import update_labels
from flows.running.errors import NothingToDo
from flows.running.platform import Space
from storage.index.library import Listed
from storage.labels import TRASH
from storage.records import Kind

NONE_OF_THESE = "none of these"
"""The label of what belongs to no class; recipes take it as out of scope."""
_MOST_PREDICTIONS = 5000
"""How many are read to find the least certain: each is an object in the bucket."""


class Uncertain(BaseModel):
    """An artifact to ask about: the most probable label, its probability, and all labels that the classifier knows."""

    model_config = ConfigDict(frozen=True)

    artifact: str
    name: str
    kind: Kind
    media_type: str
    size: int
    best: str
    probability: float
    labels: tuple[str, ...]


def least_certain(space: Space, limit: int = 50) -> dict[str, list[Uncertain]]:
    """What each classifier is least certain about and no person has labelled, the least certain first."""
    ids = [name.removeprefix(f"{FOLDER}/") for name in space.refs.names(FOLDER)][:_MOST_PREDICTIONS]
    predicted = predictions_of_many(space, ids)
    rows = {row.artifact: row for row in space.library.named(space.project, list(predicted))}
    found: defaultdict[str, list[Uncertain]] = defaultdict(list)
    for artifact, of_artifact in predicted.items():
        for classifier, prediction in of_artifact.items():
            if artifact in rows and not _is_known(rows[artifact], classifier, prediction):
                found[classifier].append(_uncertain(rows[artifact], prediction))
    return {
        name: sorted(each, key=lambda item: (item.probability, item.artifact))[:limit]
        for name, each in sorted(found.items())
    }


def answer_with(space: Space, artifact: str, classifier: str, label: str) -> tuple[str, ...]:
    """Put the label that a person chose on, and take those of the other classes off; an empty one takes it back.

    Returns the labels. Raises NothingToDo for a label that the classifier does not know, ArtifactNotFound.
    """
    prediction = predictions_of(space, artifact).get(classifier)
    if prediction is None:
        raise NothingToDo(f"The classifier {classifier} has predicted nothing for this artifact.")
    classes = _classes(prediction)
    if label not in ("", NONE_OF_THESE, *classes):
        raise NothingToDo(f"The classifier {classifier} knows no label {label[:64]!r}.")
    autos = {auto_label(each) for each in classes}
    # Without its `auto:` label, an artifact of one of two classes would count as one of the other.
    own = auto_label(prediction.label) if prediction.label and not label else ""
    removed = ({*classes, NONE_OF_THESE} | autos) - {label, own}
    return update_labels(space, artifact, add=[each for each in (label, own) if each], remove=removed)


def _is_known(row: Listed, classifier: str, prediction: Prediction) -> bool:
    if TRASH in row.labels or NONE_OF_THESE in row.labels:
        return True
    return confirmed_label(row.labels, _classes(prediction), {classifier: prediction}) is not None


def _classes(prediction: Prediction) -> tuple[str, ...]:
    own = prediction.best or prediction.label
    return tuple(sorted({*prediction.others, *([own] if own else [])}))


def _uncertain(row: Listed, prediction: Prediction) -> Uncertain:
    return Uncertain(
        artifact=row.artifact,
        name=row.name,
        kind=row.kind,
        media_type=row.media_type,
        size=row.size,
        best=prediction.best or prediction.label,
        probability=prediction.probability,
        labels=_classes(prediction),
    )
