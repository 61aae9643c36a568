"""Make a version of a dataset from what people labelled, or from a stored table."""

import asyncio
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.learning.datasets import COLLECTION, DatasetReport, datasets_of, items_from, make_version
from flows.learning.sources import Source, items_from_folder, items_from_rows
from flows.library.inputs import resolve_input
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from media.plain_text import read_text
from training.datasets.card import dataset_card
from training.datasets.manifest import InvalidDataset
from training.datasets.rows import parse_table, read_table

_SOURCES = ("labels", "reviews")
_IDENTITY = 8


class DatasetOrder(Form):
    """What a dataset is made of."""

    name: str = Field(title="Name", description="Of the dataset: a-z, 0-9 and -.", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    source: str = Field(
        default="labels",
        title="From",
        description="labels, reviews, collection:NAME, or the id of a stored CSV with columns text and label.",
        max_length=1000,
    )
    labels: list[str] = Field(
        default=[],
        title="Labels",
        description="The labels that are the classes; empty for all of people's.",
        max_length=200,
    )
    unlabelled: bool = Field(
        default=False,
        title="The unlabelled, too",
        description="For the recipe semi-supervised, which learns from them.",
    )
    mask: bool = Field(
        default=False, title="Mask personal data", description="E-mail addresses, telephone and card numbers, names."
    )
    licence: str = Field(default="", title="Licence", description="Of the data, for the card.", max_length=200)
    project: str = project_field()


@flow(name="create-dataset")
async def create_dataset(order: DatasetOrder) -> State[Any]:
    """Make an immutable version of a dataset, with a report about personal data in it."""
    return await run_as_flow(order.project, lambda context: create(context, order))


async def create(context: RunContext, order: DatasetOrder) -> DatasetReport:
    """Collect the items, look for personal data, and store the version."""
    return await create_from(context, order, [])


async def create_from(context: RunContext, order: DatasetOrder, paths: list[Path]) -> DatasetReport:
    """The same from tables and folders of this machine, if there are any. Raises InvalidDataset."""
    space = context.space

    def make() -> DatasetReport:
        found = _from_paths(space, paths) if paths else _from_project(space, order)
        source = ", ".join(path.name for path in paths) or _told(order)
        return make_version(space, order.name, found, source, masks=order.mask, licence=order.licence)

    report = await asyncio.to_thread(make)
    version = await asyncio.to_thread(datasets_of(space).find, order.name)
    await context.show("dataset", dataset_card(order.name, version))
    return report


def _from_project(space: Space, order: DatasetOrder) -> Source:
    if order.source in _SOURCES or order.source.startswith(COLLECTION):
        return items_from(space, order.source, order.labels, unlabelled=order.unlabelled)
    if len(order.source) < _IDENTITY or set(order.source) - set("0123456789abcdef"):
        raise InvalidDataset(
            f"A dataset cannot be made from {order.source[:80]!r}: say labels, reviews, collection:NAME, "
            "a CSV file, a folder with one folder for each label, or the id of a stored CSV."
        )
    table = resolve_input(space, order.source)
    return items_from_rows(space, parse_table(read_text(space.store.get(table.artifact)), table.name))


def _from_paths(space: Space, paths: list[Path]) -> Source:
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise InvalidDataset("A dataset is made from tables or from one folder: name one folder, or tables alone.")
    if folders:
        return items_from_folder(space, folders[0])
    return items_from_rows(space, [row for path in paths for row in read_table(path)])


def _told(order: DatasetOrder) -> str:
    return f"{order.source} {', '.join(order.labels)}".strip()
