"""Picture generation: the same order gives the same pictures, the second time without a model."""

from pathlib import Path

import pytest

from flows.generate_images import generate_pictures
from flows.ingest import store_file
from flows.running.content_forms import PictureOrder, Query
from flows.running.context import RunContext
from flows.search import find
from media.errors import ItemError
from modalities.errors import UnknownModel
from storage.errors import ArtifactNotFound


def order(context: RunContext, **values: object) -> PictureOrder:
    return PictureOrder.model_validate(
        {"prompt": "cat", "steps": 4, "count": 1, "project": context.space.project, **values}
    )


async def test_the_same_order_is_answered_from_its_recipe(context: RunContext, cold_context: RunContext) -> None:
    first = await generate_pictures(context, order(context, seed=7))
    again = await generate_pictures(cold_context, order(context, seed=7))
    assert [image.sha256 for image in again.images] == [image.sha256 for image in first.images]
    assert {model.name for model in cold_context.space.platform.pool.loaded()} == set()


async def test_the_first_picture_is_the_same_at_any_count(context: RunContext) -> None:
    one = await generate_pictures(context, order(context, seed=11, count=1))
    three = await generate_pictures(context, order(context, seed=11, count=3))
    assert three.images[0].sha256 == one.images[0].sha256
    assert len({image.sha256 for image in three.images}) == 3


async def test_a_picture_is_recorded_with_its_recipe_and_can_be_found(context: RunContext) -> None:
    made = (await generate_pictures(context, order(context, seed=3))).images[0]
    record = context.space.records.get(made.artifact)
    recipe = context.space.recipes.find(record.producer or "")
    assert recipe is not None
    assert recipe.recipe.request["prompt"] == "cat"
    assert recipe.recipe.request["seed"] == 3
    hits = (await find(context, Query(words="cat", kinds=["image"], project=context.space.project))).hits
    assert made.artifact in [hit.artifact for hit in hits]


async def test_a_picture_can_start_from_another(context: RunContext) -> None:
    start = (await generate_pictures(context, order(context, seed=5))).images[0]
    changed = await generate_pictures(context, order(context, seed=5, start_from=start.artifact, strength=0.5))
    assert changed.images[0].sha256 != start.sha256
    assert context.space.records.get(changed.images[0].artifact).parents == (start.artifact,)


async def test_a_start_picture_that_is_not_there_is_refused(context: RunContext) -> None:
    with pytest.raises(ArtifactNotFound):
        await generate_pictures(context, order(context, start_from="0123456789"))


async def test_a_model_that_is_not_there_is_refused(context: RunContext) -> None:
    with pytest.raises(UnknownModel, match="no-such-model"):
        await generate_pictures(context, order(context, model="no-such-model"))


async def test_a_start_picture_that_is_no_picture_is_refused_in_one_sentence(
    context: RunContext, samples: Path
) -> None:
    text, _ = store_file(context.space, samples / "autumn-market.txt", "autumn-market.txt")
    with pytest.raises(ItemError, match=r"\.$"):
        await generate_pictures(context, order(context, start_from=text.artifact.sha256))
