"""Questions over HTTP: /api/ask and its feedback, chat completions by the clients that people use, and the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from tests.gateway.conftest import NewToken, client_of, finished

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
PUMP = (
    "The filter of the pump has to be rinsed every six months. The guarantee lasts for five years. "
    "Spare parts are ordered from Ilse Brandt."
)
ASKED = "How often must the filter be rinsed?"
UNKNOWN = "How loud is the pump in decibels?"


@pytest.fixture(scope="module")
def project() -> str:
    return f"asking-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def maker(
    address: str, new_token: NewToken, project: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A maker of a project with one text."""
    path: Path = tmp_path_factory.mktemp("asking") / "pump.txt"
    path.write_text(PUMP, encoding="utf-8")
    with client_of(address, new_token("maker", project)) as client:
        with path.open("rb") as file:
            job = client.post("/api/artifacts", files={"file": file}).json()["id"]
        finished(client, job)
        yield client


@pytest.fixture(scope="module")
def chat(address: str, maker: httpx.Client) -> Iterator[openai.OpenAI]:
    key = maker.headers["authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, timeout=120, max_retries=0) as client:
        yield client


def test_a_question_is_answered_with_its_place(maker: httpx.Client) -> None:
    answer = maker.post("/api/ask", json={"question": ASKED}).json()
    assert (answer["known"], answer["text"]) == (True, "The filter of the pump has to be rinsed every six months. [1]")
    assert answer["citations"][0]["name"] == "pump.txt"
    page = maker.get(answer["citations"][0]["address"], headers={"accept": "text/html"})
    assert page.status_code == 200
    unknown = maker.get("/api/ask", params={"q": UNKNOWN}).json()
    assert (unknown["known"], unknown["looked_through"]) == (False, {"text": 1})


def test_an_empty_question_is_refused_in_a_sentence(maker: httpx.Client) -> None:
    refused = maker.post("/api/ask", json={"question": ""})
    assert refused.status_code == 422
    assert "question" in refused.json()["error"]


def test_feedback_keeps_what_is_sent_and_the_day_until_it_is_deleted(
    maker: httpx.Client, address: str, new_token: NewToken, project: str, stack_settings: Settings
) -> None:
    kept = maker.post("/api/ask/feedback", json={"helpful": False, "artifacts": ["ab" * 32]}).json()
    assert set(kept) == {"id", "day", "helpful", "known", "artifacts", "question"}
    assert kept["question"] == ""
    assert [each["id"] for each in maker.get("/api/ask/feedback").json()] == [kept["id"]]
    with client_of(address, new_token("viewer", project)) as viewer:
        assert viewer.delete(f"/api/ask/feedback/{kept['id']}").status_code == 403
    assert maker.delete(f"/api/ask/feedback/{kept['id']}").status_code == 204
    assert maker.delete(f"/api/ask/feedback/{kept['id']}").status_code == 404
    maker.post("/api/ask/feedback", json={"helpful": True})
    assert maker.delete("/api/ask/feedback").status_code == 204
    bucket = Platform(stack_settings).bucket
    assert not list(bucket.objects(f"gateway/feedback/{project}/"))


def test_the_openai_client_chats_with_the_library(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(
        model="library", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}]
    )
    content = answer.choices[0].message.content or ""
    assert content.startswith("The filter of the pump has to be rinsed every six months. [1]")
    assert "pump.txt](http" in content
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    annotations = answer.choices[0].message.annotations or []
    assert content[annotations[0].url_citation.start_index :].startswith("[1]")
    assert "library" in {model.id for model in chat.models.list()}


def test_a_chat_goes_on_and_its_messages_may_be_parts(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "How often must the filter of the pump be rinsed?"}]},
            {"role": "assistant", "content": "Every six months."},
            {"role": "user", "content": [{"type": "text", "text": "And how long does its guarantee last?"}]},
        ],
    )
    assert "five years" in (answer.choices[0].message.content or "")


def test_a_stream_gives_the_same_text_and_its_usage(chat: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    whole = chat.chat.completions.create(model="library", messages=messages)
    chunks = list(
        chat.chat.completions.create(  # pyright: ignore
            model="library", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == whole.choices[0].message.content
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 5


def test_mistakes_are_errors_of_openai(chat: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        chat.chat.completions.create(model="nothing", messages=[{"role": "user", "content": "?"}])
    with pytest.raises(openai.BadRequestError, match="last one"):
        chat.chat.completions.create(model="library", messages=[{"role": "assistant", "content": "Yes."}])
    with pytest.raises(openai.BadRequestError, match="messages"):
        chat.chat.completions.create(model="library", messages=[])


def test_langchain_chats_with_its_defaults(chat: openai.OpenAI) -> None:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="library", base_url=str(chat.base_url), api_key=chat.api_key)  # pyright: ignore
    assert "six months" in str(model.invoke(ASKED).content)
    assert "six months" in "".join(str(each.content) for each in model.stream(ASKED))


def test_the_page_answers_goes_on_and_keeps_feedback(maker: httpx.Client) -> None:
    html = {"accept": "text/html"}
    first = maker.post("/ask", data={"question": "How often must the filter of the pump be rinsed?"}, headers=html)
    assert "every six months" in first.text
    assert 'name="before" value="How often' in first.text
    before = ["How often must the filter of the pump be rinsed?"]
    second = maker.post("/ask", data={"question": "And who sells its spare parts?", "before": before}, headers=html)
    assert "Ilse Brandt" in second.text
    thanked = maker.post("/ask/feedback", data={"helpful": "yes"}, headers=html | {"accept-language": "zh"})
    assert "谢谢" in thanked.text
    maker.delete("/api/ask/feedback")
