"""Writing in a project: its own models and those of the catalogue, seeded, streamed; a prompt said better."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from flows.running.context import RunContext, local_context
from flows.running.errors import NothingToDo
from flows.running.platform import Platform
from flows.writing.form import Writing
from flows.writing.models import resolve_writer
from flows.writing.prompts import better_prompt
from flows.writing.write_text import pieces, request_of, write
from modalities.errors import UnknownModel
from modalities.models.published import PublishedModels
from modalities.writing.requests import Turn
from tests.modalities.writing.test_causal_lm import tiny_llama


@pytest.fixture(scope="module")
def published(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The project of a published model, `tiny`."""
    project = f"writing-{uuid4().hex[:8]}"
    models, model = PublishedModels(platform.bucket), f"writer.{project}.tiny"
    models.move_alias(model, "live", models.upload(model, tiny_llama(tmp_path_factory.mktemp("tiny"))))
    return project


async def test_a_text_goes_on_the_same_for_the_same_seed_and_in_pieces(platform: Platform, published: str) -> None:
    space = platform.space(published)
    form = Writing(text="Hello", model="tiny", max_tokens=12, temperature=1.0, seed=3, project=published)
    first = await write(local_context(space), form)
    assert first == await write(local_context(space), form)
    assert (first.model, first.seed, first.completion_tokens) == (f"writer.{published}.tiny", 3, 12)
    assert "".join(pieces(space, request_of(space, form))) == first.text
    other = await write(local_context(space), form.model_copy(update={"seed": 4}))
    assert other.text != first.text


def test_a_model_of_another_project_is_unknown(context: RunContext, published: str) -> None:
    for name in ("tiny", f"writer.{published}.tiny", "starter-e5", "icons"):
        with pytest.raises(UnknownModel, match=r"writes texts|cannot name"):
            resolve_writer(context.space, name)
    with pytest.raises(UnknownModel, match="profile"):
        resolve_writer(context.space, "")


class Says:
    """A writer that says a text."""

    name = "says"

    def __init__(self, text: str) -> None:
        self.text, self.turns = text, list[Turn]()

    async def write(self, turns: Sequence[Turn]) -> str:
        self.turns += turns
        return self.text


async def test_a_prompt_is_said_in_the_first_line_that_the_model_writes() -> None:
    writer = Says('\n "A red fox in deep snow at dawn."\nI hope that helps!')
    assert await better_prompt("fox", writer) == "A red fox in deep snow at dawn."
    assert writer.turns[-1] == Turn(role="user", text="fox")
    with pytest.raises(NothingToDo, match="stays as it is"):
        await better_prompt("fox", Says(" \n"))
