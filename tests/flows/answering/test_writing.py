"""A language model behind an address writes the answer; what the sources do not say is marked, or not shown."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from flows.answering.reports import AnswerReport, Citation, Sentence
from flows.answering.writers import RemoteWriter
from flows.answering.writing import write_answer

SOURCE = "The filter of the pump has to be rinsed every six months. The guarantee lasts for 5 years."
REPORT = AnswerReport(
    question="How often must the filter be rinsed?",
    language="en",
    known=True,
    text="The filter of the pump has to be rinsed every six months. [1]",
    sentences=(Sentence(text="The filter of the pump has to be rinsed every six months.", citations=(1,)),),
    citations=(
        Citation(number=1, artifact="a" * 64, name="pump.txt", kind="text", score=0.9, quote=SOURCE, text=SOURCE),
    ),
)


@pytest.fixture
def serve() -> Iterator[Callable[[str], tuple[RemoteWriter, list[dict[str, Any]]]]]:
    """Start servers with OpenAI's API that answer a text; what they are asked is in the list."""
    servers: list[ThreadingHTTPServer] = []

    def start(text: str, status: int = 200) -> tuple[RemoteWriter, list[dict[str, Any]]]:
        asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                asked.append({"path": self.path, "key": self.headers["authorization"], **body})
                answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return RemoteWriter(f"http://127.0.0.1:{servers[-1].server_port}/v1", "small", "secret"), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


async def test_each_written_sentence_is_cited_or_marked(serve: Callable[..., Any]) -> None:
    writer, asked = serve("You rinse the filter every six months [1]. It costs 40 euros. The guarantee is 5 years.[1]")
    report = await write_answer(REPORT, writer)
    assert [(each.text, each.citations) for each in report.sentences] == [
        ("You rinse the filter every six months.", (1,)),
        ("It costs 40 euros.", ()),
        ("The guarantee is 5 years.", (1,)),
    ]
    assert "It costs 40 euros. (not found in the sources)" in report.text
    assert report.written_by == "small"
    assert (asked[0]["path"], asked[0]["key"], asked[0]["temperature"]) == ("/v1/chat/completions", "Bearer secret", 0)
    assert SOURCE in asked[0]["messages"][1]["content"]


async def test_a_citation_that_does_not_say_it_is_taken_away(serve: Callable[..., Any]) -> None:
    writer, _ = serve("The guarantee lasts for 7 years [1]. The filter of the pump is rinsed every six months [4].")
    report = await write_answer(REPORT, writer)
    assert [each.citations for each in report.sentences] == [(), (1,)]


@pytest.mark.parametrize("text", ["NOT IN THE SOURCES", "Paris is the capital of France [1].", ""])
async def test_a_text_that_no_source_says_is_not_shown(serve: Callable[..., Any], text: str) -> None:
    writer, _ = serve(text)
    report = await write_answer(REPORT, writer)
    assert (report.text, report.written_by) == (REPORT.text, "")
    assert "small wrote nothing" in report.notices[0]


async def test_without_an_answer_nothing_is_written(serve: Callable[..., Any]) -> None:
    writer, asked = serve("The pump has 40 decibels [1].")
    unknown = REPORT.model_copy(update={"known": False, "text": "I do not know."})
    assert await write_answer(unknown, writer) == unknown
    assert asked == []


async def test_a_server_that_fails_leaves_the_sentences_of_the_sources(serve: Callable[..., Any]) -> None:
    broken, _ = serve("", 500)
    for writer in (broken, RemoteWriter("http://127.0.0.1:9/v1", "small")):
        report = await write_answer(REPORT, writer)
        assert report.text == REPORT.text
        assert "TRIPTYCH_WRITER_URL does not answer" in report.notices[0]
