"""The whole loop: labels, a probe, the gate, automatic labels on what comes in, corrections, a rollback."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.ingest import ingest_files
from flows.learning.auto_label import AutoLabelling, label_library
from flows.learning.create_dataset import DatasetOrder, create, create_from
from flows.learning.datasets import datasets_of
from flows.learning.folders import training_folder
from flows.learning.propose_model import Retraining, propose
from flows.learning.publication import GateRefused, publish_trained, publish_version
from flows.learning.train_model import TrainingOrder, train
from flows.library.classification.asking import ClassificationOrder, classify
from flows.library.classification.classifiers import classifier_model
from flows.library.classification.predictions import predictions_of
from flows.library.labelling import update_labels
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from modalities.classification.head import Head
from modalities.classification.requests import Classified
from modalities.models.published import PublishedModels
from tests.flows.conftest import upload_files
from tests.paths import ROOT
from training.pipeline import MODEL, TrainingError
from training.recipes import load_recipe

THINGS = ("soup", "film", "phone", "room", "book")
RED, BLUE = (200, 30, 30), (30, 30, 200)


def tiles(folder: Path, seed: int, count: int) -> list[Path]:
    """Pictures of two kinds: smooth red ones and noisy blue ones, each a little different."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        kind = "red" if number % 2 else "blue"
        pixels = np.full((64, 64, 3), RED if kind == "red" else BLUE) + rng.integers(-25, 25, 3)
        if kind == "blue":
            pixels = pixels + rng.integers(-30, 30, (64, 64, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{kind}-{number}.png")
    return sorted(folder.iterdir())


async def ingested(context: RunContext, files: list[Path]) -> dict[str, str]:
    """Ingest files; their artifact ids by name."""
    report = await ingest_files(context, upload_files(context.space.platform.bucket, files))
    return {item.path: item.artifact or "" for item in report.items}


def labels(context: RunContext, sha256: str) -> tuple[str, ...]:
    return context.space.labels.of(context.space.records.get(sha256))


@pytest.fixture
def context(new_platform: Callable[..., Platform], tmp_path: Path) -> RunContext:
    """A project whose trainings lie in a folder of the test's own."""
    return local_context(new_platform(home=tmp_path / "home").space("loop"))


async def test_from_labels_to_a_classifier_that_is_corrected_forced_and_rolled_back(
    context: RunContext, tmp_path: Path
) -> None:
    space, platform = context.space, context.space.platform
    model = classifier_model("loop", "tone")
    for name, sha256 in (await ingested(context, tiles(tmp_path / "first", 1, 20))).items():
        update_labels(space, sha256, add=[name.split("-")[0]])
    labelled = await create(context, DatasetOrder(name="tone", project="loop"))
    await train(context, TrainingOrder(recipe="picture-classification", dataset="tone", project="loop"))
    first = publish_trained(platform, model, "live")
    assert first.gate is not None
    assert first.gate.passed
    facts = PublishedModels(platform.bucket).versions(model)[0].facts
    assert facts["dataset"].startswith("tone@")
    assert facts["cost"]["cpu_seconds"] > 0

    await label_library(context, AutoLabelling(classifier="tone", at_ingest="on", least=0.5, project="loop"))
    new = await ingested(context, tiles(tmp_path / "second", 2, 12))
    await label_library(context, AutoLabelling(classifier="tone", least=0.5, project="loop"))
    said = {name: labels(context, sha256) for name, sha256 in new.items()}
    assert all(found == (f"auto:{name.split('-')[0]}",) for name, found in said.items())
    assert all(predictions_of(space, sha256)["tone"].probability > 0.5 for sha256 in new.values())

    corrected = list(new.values())[:3]
    update_labels(space, corrected[0], add=["blue"])
    update_labels(space, corrected[1], remove=["auto:blue", "auto:red"])
    update_labels(space, corrected[2], add=["red"])
    platform.bucket.put(f"loop/refs/predictions/{list(new.values())[5]}.json", b"{")
    again = await label_library(context, AutoLabelling(classifier="tone", least=0.5, project="loop"))
    assert (again.of_people, again.failed) == (23, 1)  # one prediction cannot be read; the others can
    await create(context, DatasetOrder(name="tone", project="loop"))
    items = {item.artifact: item.label for item in datasets_of(space).read(datasets_of(space).find("tone")).items}
    assert len(items) == 23
    taken_off = next(name for name, sha256 in new.items() if sha256 == corrected[1])
    assert items[corrected[1]] == ("red" if taken_off.startswith("blue") else "blue")

    retraining = Retraining(dataset="tone", project="loop")
    assert (await propose(context, retraining)).proposal is not None
    assert PublishedModels(platform.bucket).version_of(model, "live") == first.version  # a proposal publishes nothing
    assert (await propose(context, retraining)).proposal is None

    version = f"tone@{labelled.digest}"
    order = TrainingOrder(recipe="picture-classification", dataset=version, model="tone", project="loop")
    await train(context, order)
    worse = training_folder(platform.settings.home, model) / MODEL
    head = Head.load(worse)
    Head(head.facts, -head.weight, -head.bias).save(worse)
    with pytest.raises(GateRefused, match="less accurate"):
        publish_trained(platform, model, "live")
    with pytest.raises(GateRefused, match="--why REASON"):
        publish_trained(platform, model, "live", force=True)
    assert publish_trained(platform, model, "live", force=True, why="a trial").forced
    asked = ClassificationOrder(classifier="tone", artifacts=[corrected[0]], project="loop")
    upside_down = (await classify(context, asked)).results[0]
    explained = (await classify(context, asked.model_copy(update={"why": True}))).why
    assert np.shape(explained[0].regions) == (7, 7)
    assert publish_version(platform, model, "live", "previous").version == first.version
    assert (await classify(context, asked)).results[0] != upside_down  # the same process serves it
    decisions = PublishedModels(platform.bucket).decisions(model, "live")
    assert [(each["what"], each.get("forced", False)) for each in decisions] == [
        ("moved to previous", False),
        ("published", True),
        ("published", False),
    ]


async def test_a_fine_tuned_encoder_meets_the_probe_in_use_at_the_gate_and_is_served(
    context: RunContext, tmp_path: Path
) -> None:
    platform, model = context.space.platform, classifier_model("loop", "mood")
    rows = [f"The {thing} of day {n} was {w},{w}" for n in range(8) for thing in THINGS for w in ("awful", "lovely")]
    (tmp_path / "mood.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    await create_from(context, DatasetOrder(name="mood", project="loop"), [tmp_path / "mood.csv"])
    await train(context, TrainingOrder(recipe="text-classification-probe", dataset="mood", project="loop"))
    assert publish_trained(platform, model, "live").gate is not None

    shortly = TrainingOrder(recipe="text-pretraining", dataset="mood", model="words", minutes=0.02, project="loop")
    assert (await train(context, shortly)).model == "encoder.loop.words"
    tuning = {"recipe": "text-classification", "dataset": "mood", "encoder": "words", "project": "loop"}
    await train(context, TrainingOrder.model_validate(tuning | {"minutes": 0.05}))
    with pytest.raises(GateRefused, match="less accurate"):
        publish_trained(platform, model, "live")
    assert publish_trained(platform, model, "live", force=True, why="a trial").forced
    asked = ClassificationOrder(classifier="mood", texts=["The tea was lovely."], project="loop")
    answer = (await classify(context, asked)).results[0]
    assert isinstance(answer, Classified)
    assert set(answer.probabilities) == {"awful", "lovely"}
    explained = (await classify(context, asked.model_copy(update={"why": True}))).why
    assert [word.word for word in explained[0].words] == ["The", "tea", "was", "lovely."]
    (tmp_path / "note.txt").write_text("The tea was lovely, they say.", encoding="utf-8")
    await ingested(context, [tmp_path / "note.txt"])
    labelled = await label_library(context, AutoLabelling(classifier="mood", least=0.01, project="loop"))
    assert (labelled.classified, sum(labelled.labelled.values())) == (1, 1)


def test_what_a_recipe_trains_has_a_name_in_the_project() -> None:
    names = [
        TrainingOrder(recipe="text-pretraining", model="words", project="loop").trained,
        TrainingOrder(recipe="semi-supervised", dataset="mail@0123", project="loop").trained,
        TrainingOrder(recipe="icons").trained,
    ]
    assert names == ["encoder.loop.words", "classifier.loop.mail", "icons"]
    with pytest.raises(TrainingError, match="reads no texts by an encoder"):
        load_recipe("text-pretraining", ROOT / "configs", "starter-minilm")


async def test_labels_by_their_meaning_need_no_training_and_say_which_words_made_them(context: RunContext) -> None:
    order = ClassificationOrder(
        labels=["football", "cooking"],
        texts=["Bake the dough for an hour.", "The goalkeeper saved the penalty."],
        why=True,
    )
    report = await classify(context, order)
    assert [each.label for each in report.results if isinstance(each, Classified)] == ["cooking", "football"]
    telling = [max(each.words, key=lambda word: word.effect).word for each in report.why]
    assert telling[0] in ("Bake", "dough")
    assert telling[1] in ("goalkeeper", "penalty.")
