"""Chats with a causal language model of a project, by OpenAI's client and the command line's."""

from collections.abc import Iterator
from uuid import uuid4

import openai
import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.client import Client
from gateway.errors import WrongInput
from modalities.models.published import PublishedModels
from tests.gateway.conftest import NewToken
from tests.modalities.writing.test_causal_lm import tiny_llama

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def token(stack_settings: Settings, new_token: NewToken, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A token of a project with the model `tiny`."""
    project = f"writing-{uuid4().hex[:8]}"
    models, model = PublishedModels(Platform(stack_settings).bucket), f"writer.{project}.tiny"
    models.move_alias(model, "live", models.upload(model, tiny_llama(tmp_path_factory.mktemp("tiny"))))
    return new_token("viewer", project)


@pytest.fixture(scope="module")
def chat(address: str, token: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=token, timeout=120, max_retries=0) as client:
        yield client


def test_a_model_goes_on_whole_and_streamed(chat: openai.OpenAI, address: str, token: str) -> None:
    whole = chat.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "Hello"}], max_tokens=9, seed=5
    )
    assert whole.usage
    assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (9, "length")
    chunks = list(
        chat.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=9,
            seed=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    with Client(address, token) as client:
        assert "".join(client.write("Hello", model="tiny", max_tokens=9, seed=5, temperature=1.0)) == text


def test_what_cannot_be_written_is_said_before_the_stream(chat: openai.OpenAI, address: str, token: str) -> None:
    long = "x" * 500
    with pytest.raises(openai.BadRequestError, match="shorten"):
        chat.chat.completions.create(model="tiny", messages=[{"role": "user", "content": long}], stream=True)
    with Client(address, token) as client, pytest.raises(WrongInput, match="profile names no model that writes"):
        list(client.write("Hello"))


def test_the_library_still_answers_beside_it(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="library", messages=[{"role": "user", "content": "How deep?"}])
    assert answer.model == "library"
