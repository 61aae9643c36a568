"""Datasets of a project: made from labels, reviews, collections and files; removal reaches them; care knows them."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from flows.care.verify import Inspection, verify_project
from flows.ingest import store_file
from flows.learning.create_dataset import DatasetOrder, create, create_from
from flows.learning.datasets import DatasetReport, datasets_of, fetch_dataset
from flows.library.classification.predictions import Prediction, keep_prediction
from flows.library.labelling import update_labels
from flows.library.trash import move_to_trash
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from storage.care.garbage import mark_and_sweep
from storage.names import blob_key
from training.datasets.folder import read_folder
from training.datasets.manifest import InvalidDataset
from training.datasets.versions import UnknownDataset


def add_note(context: RunContext, folder: Path, text: str, *labels: str) -> str:
    path = folder / "note.txt"
    path.write_text(text, encoding="utf-8")
    record, _ = store_file(context.space, path, f"{text[:20]}.txt", labels)
    return record.artifact.sha256


@pytest.fixture
def notes(context: RunContext, tmp_path: Path) -> list[str]:
    """Six texts: three complaints, two praises, one without a label."""
    labelled = [(f"This is bad, number {number}.", "complaint") for number in range(3)]
    labelled += [(f"This is good, number {number}.", "praise") for number in range(2)]
    return [
        *(add_note(context, tmp_path, text, label) for text, label in labelled),
        add_note(context, tmp_path, "Nobody has read this; mail a@b.io."),
    ]


async def create_for(context: RunContext, **fields: object) -> DatasetReport:
    return await create(context, DatasetOrder(name="mail", project=context.space.project, **fields))


def labels_in(context: RunContext, name: str = "mail") -> dict[str | None, str | None]:
    datasets = datasets_of(context.space)
    return {item.artifact: item.label for item in datasets.read(datasets.find(name)).items}


async def test_labels_become_a_version_and_corrections_the_next_one(context: RunContext, notes: list[str]) -> None:
    first = await create_for(context)
    assert labels_in(context) == dict(zip(notes, ["complaint"] * 3 + ["praise"] * 2, strict=False))
    assert not (await create_for(context)).is_new
    update_labels(context.space, notes[0], add=["praise"], remove=["complaint"])
    update_labels(context.space, notes[1], add=["praise"])
    second = await create_for(context)
    assert (second.parent, labels_in(context)[notes[0]]) == (first.digest, "praise")
    assert notes[1] not in labels_in(context)  # it has both labels
    assert second.left_out == {"several labels": [notes[1][:12]]}


async def test_taking_an_automatic_label_off_says_the_other_of_two_classes(
    context: RunContext, notes: list[str]
) -> None:
    prediction = Prediction(label="praise", probability=0.6, version="0" * 64, others=("complaint",))
    keep_prediction(context.space, notes[5], "mail", prediction)
    update_labels(context.space, notes[5], add=["auto:praise"])
    await create_for(context)
    assert notes[5] not in labels_in(context)  # what a classifier says alone is never learned
    update_labels(context.space, notes[5], remove=["auto:praise"])
    await create_for(context)
    assert labels_in(context)[notes[5]] == "complaint"


async def test_what_is_removed_is_gone_from_training(context: RunContext, notes: list[str], tmp_path: Path) -> None:
    await create_for(context, unlabelled=True, mask=True)
    move_to_trash(context.space, notes[0], "ada")
    facts = await fetch_dataset(context, "mail", tmp_path / "dataset")
    read = read_folder(tmp_path / "dataset")
    assert (facts.gone, len(read.items)) == (1, 5)
    assert notes[0] not in {item.artifact for item in read.items}
    assert "Nobody has read this; mail [e-mail]." in {item.text for item in read.items}
    assert labels_in(context).keys() == {*notes}  # the manifest names ids, and holds no text
    assert b"number 0" not in context.space.store.get(datasets_of(context.space).find("mail").manifest)


async def test_rows_and_folders_of_texts_need_no_library(context: RunContext, tmp_path: Path) -> None:
    (tmp_path / "mail.csv").write_text("text,label\nMy name is Ada Lovelace,x\nfine,y\n", encoding="utf-8")
    order = DatasetOrder(name="table", mask=True, licence="CC0-1.0", project=context.space.project)
    report = await create_from(context, order, [tmp_path / "mail.csv"])
    assert report.personal == {"masked": 1, "name": 1}
    datasets = datasets_of(context.space)
    assert "My name is [name]" in {item.text for item in datasets.read(datasets.find("table")).items}
    for label in ("x", "y"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        (tmp_path / "texts" / label / "one.txt").write_text(f"About {label}", encoding="utf-8")
    report = await create_from(context, DatasetOrder(name="texts", project=context.space.project), [tmp_path / "texts"])
    assert (report.kind, report.size) == ("texts", 2)


async def test_pictures_of_a_folder_are_stored_with_their_class_and_come_back_as_vectors(
    context: RunContext, tmp_path: Path
) -> None:
    for colour in ("red", "blue"):
        (tmp_path / "tiles" / colour).mkdir(parents=True)
        for side in (40, 44):
            Image.new("RGB", (side, 40), colour).save(tmp_path / "tiles" / colour / f"{side}.png")
    order = DatasetOrder(name="tiles", project=context.space.project)
    report = await create_from(context, order, [tmp_path / "tiles"])
    assert (report.kind, report.size) == ("pictures", 4)
    facts = await fetch_dataset(context, "tiles", tmp_path / "dataset")
    read = read_folder(tmp_path / "dataset")
    assert read.vectors is not None
    assert read.vectors.shape[0] == 4
    assert facts.space.startswith(f"{context.space.profile.pictures}@")
    record = context.space.records.get(read.items[0].artifact or "")
    assert record.labels == (read.items[0].label,)
    assert (await verify_project(context, Inspection(project=context.space.project))).open == 0


async def test_collections_are_classes(context: RunContext, notes: list[str]) -> None:
    for name, ids in (("Old", notes[:2]), ("New", notes[3:])):
        value = {"id": name, "name": name, "artifacts": ids, "forgotten": False}
        context.space.refs.update(f"collections/{name.lower()}", lambda _, value=value: value)
    await create_for(context, source="collection:old,New")
    assert [labels_in(context)[sha256] for sha256 in (notes[0], notes[5])] == ["old", "New"]


async def test_what_cannot_be_a_dataset_is_said(context: RunContext) -> None:
    with pytest.raises(InvalidDataset, match="has a label of a, b: put labels on"):
        await create_for(context, labels=["a", "b"])
    with pytest.raises(InvalidDataset, match="There is no collection Nowhere"):
        await create_for(context, source="collection:Nowhere")
    with pytest.raises(InvalidDataset, match="cannot be made from 'lables'"):
        await create_for(context, source="lables")
    with pytest.raises(UnknownDataset, match="has no dataset mail"):
        datasets_of(context.space).find("mail")


async def test_garbage_collection_and_verification_know_manifests(
    new_platform: Callable[..., Platform], tmp_path: Path
) -> None:
    context = local_context(new_platform().space("kept"))
    (tmp_path / "mail.csv").write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    await create_from(context, DatasetOrder(name="mail", project="kept"), [tmp_path / "mail.csv"])
    bucket, datasets = context.space.platform.bucket, datasets_of(context.space)
    key = blob_key("kept", datasets.find("mail").digest)
    for _ in range(2):
        mark_and_sweep(bucket, "kept", grace=timedelta(0), delete=True)
    assert bucket.stat(key) is not None
    bucket.remove(key)
    found = await verify_project(context, Inspection(project="kept"))
    assert any("the reference datasets/mail needs" in finding.problem.sentence for finding in found.findings)
    datasets.delete("mail")
    assert datasets.names() == []
    shutil.rmtree(tmp_path)
