"""Active learning: the least certain first, until a person has answered; answers are labels for the next dataset."""

import pytest

from flows.library.classification.predictions import Prediction, auto_label, confirmed_label, keep_prediction
from flows.library.classification.uncertain import NONE_OF_THESE, answer_with, least_certain
from flows.library.labelling import update_labels
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.platform import Space
from storage.labels import TRASH
from storage.records import ArtifactRecord


def predicted(
    space: Space, name: str, probability: float, *, sure: bool, classes: tuple[str, ...], text: str = ""
) -> str:
    """A text of which the classifier `tone` says that it is of the first class."""
    artifact = space.store.put((text or f"{space.project} {name}").encode(), media_type="text/plain")
    space.records.add(ArtifactRecord(artifact=artifact, project=space.project, name=name))
    said, *others = classes
    label = said if sure else ""
    prediction = Prediction(label=label, best=said, probability=probability, version="v", others=tuple(others))
    keep_prediction(space, artifact.sha256, "tone", prediction)
    if sure:
        update_labels(space, artifact.sha256, add=[auto_label(said)])
    return artifact.sha256


def asked(space: Space) -> list[str]:
    return [each.name for each in least_certain(space).get("tone", [])]


def test_the_least_certain_come_first_and_answers_are_labels(context: RunContext) -> None:
    space, three = context.space, ("cold", "kind", "warm")
    sure = predicted(space, "sure.txt", 0.97, sure=True, classes=three)
    middle = predicted(space, "middle.txt", 0.6, sure=False, classes=three)
    low = predicted(space, "low.txt", 0.35, sure=False, classes=("warm", "cold", "kind"))
    gone = predicted(space, "gone.txt", 0.1, sure=False, classes=three)
    update_labels(space, gone, add=[TRASH])
    assert asked(space) == ["low.txt", "middle.txt", "sure.txt"]
    first = least_certain(space)["tone"][0]
    assert (first.best, first.probability, first.labels) == ("warm", 0.35, three)
    assert answer_with(space, low, "tone", "kind") == ("kind",)
    assert answer_with(space, sure, "tone", "warm") == ("warm",)
    assert answer_with(space, middle, "tone", NONE_OF_THESE) == (NONE_OF_THESE,)
    assert asked(space) == []
    assert answer_with(space, low, "tone", "cold") == ("cold",)
    assert answer_with(space, low, "tone", "") == ()
    assert asked(space) == ["low.txt"]
    with pytest.raises(NothingToDo, match="knows no label"):
        answer_with(space, low, "tone", "something else")


def test_an_answer_that_is_taken_back_says_nothing_of_two_classes(context: RunContext) -> None:
    space = context.space
    sha256 = predicted(space, "one.txt", 0.8, sure=True, classes=("good", "bad"))
    answer_with(space, sha256, "tone", "bad")
    labels = answer_with(space, sha256, "tone", "")
    assert labels == ("auto:good",)
    prediction = Prediction(label="good", best="good", probability=0.8, version="v", others=("bad",))
    assert confirmed_label(labels, ("bad", "good"), {"tone": prediction}) is None
