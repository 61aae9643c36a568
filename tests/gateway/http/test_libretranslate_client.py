"""LibreTranslate's own client, and requests as Weblate, Mastodon and Dialect send them, work with the gateway."""

import io
import time
from pathlib import Path
from typing import Any

import docx
import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

pytestmark = [pytest.mark.timeout(600), pytest.mark.stack]


def test_the_client_package_translates_detects_and_lists(address: str, viewer_token: str, tmp_path: Path) -> None:
    client = LibreTranslateAPI(address, api_key=viewer_token)
    assert client.translate("Good morning.", "en", "de") == "Guten Morgen."
    assert client.detect("The weather is fine today and we go for a walk.")[0]["language"] == "en"
    assert client.detect("Guten Tag")[0]["language"] == "de"
    languages = client.languages()
    english = next(each for each in languages if each["code"] == "en")
    assert english["name"] == "English"
    assert {"de", "fr", "zh", "zh-Hant"} <= set(english["targets"])


def test_mastodon_sends_lists_of_html_and_reads_the_languages_without_a_key(address: str, viewer_token: str) -> None:
    assert httpx.get(f"{address}/languages").status_code == 200
    asked = {
        "q": ["<p>I <b>really</b> like this old house.</p>", "<p>Thank you!</p>", ""],
        "source": "auto",
        "target": "de",
        "format": "html",
        "api_key": viewer_token,
    }
    answer = httpx.post(f"{address}/translate", json=asked, timeout=120).json()
    first, second, empty = answer["translatedText"]
    assert first.startswith("<p>")
    assert "<b>wirklich</b>" in first
    assert (second, empty) == ("<p>Danke!</p>", "")
    assert [each["language"] for each in answer["detectedLanguage"]] == ["en", "en", "en"]


def test_weblate_posts_json_and_dialect_reads_the_settings(address: str, viewer_token: str) -> None:
    settings = httpx.get(f"{address}/frontend/settings").json()
    assert settings["keyRequired"] is True
    assert ".docx" in settings["supportedFilesFormat"]
    asked = {"api_key": viewer_token, "q": "%(count)s files in {folder}.", "source": "en", "target": "zh_Hant"}
    text = httpx.post(f"{address}/translate", json=asked, timeout=60).json()["translatedText"]
    assert "%(count)s" in text
    assert "{folder}" in text


def test_the_key_may_be_in_the_body_the_query_or_a_header(address: str, viewer_token: str) -> None:
    fields = {"q": "Hello", "source": "en", "target": "es"}
    ways: list[dict[str, Any]] = [
        {"data": fields | {"api_key": viewer_token}},
        {"params": fields | {"api_key": viewer_token}},
        {"json": fields, "headers": {"Authorization": f"Bearer {viewer_token}"}},
        {"json": fields, "headers": {"Authorization": viewer_token}},
        {"json": fields, "headers": {"X-API-Key": viewer_token}},
    ]
    for way in ways:
        answer = httpx.post(f"{address}/translate", timeout=60, **way)
        assert (answer.status_code, answer.json()) == (200, {"translatedText": "Hola"}), way


def test_errors_have_the_status_that_the_real_server_gives(address: str, viewer_token: str) -> None:
    def refused(**fields: Any) -> tuple[int, str]:
        answer = httpx.post(f"{address}/translate", json={"api_key": viewer_token, "q": "Hello there."} | fields)
        return answer.status_code, answer.json()["error"]

    assert refused(source="en", target="xx")[0] == 400
    assert refused(source="en")[0] == 400
    assert refused(source="en", target="de", api_key="wrong")[0] == 403
    assert refused(source="en", target="de", api_key=None)[0] == 400
    assert refused(source="en", target="de", format="pdf")[0] == 400


def test_short_texts_are_answered_at_once_with_alternatives_and_doubts(address: str, viewer_token: str) -> None:
    fields = {"api_key": viewer_token, "source": "en", "target": "de"}
    asked = fields | {"q": "I really like this old house.", "alternatives": 3}
    answer = httpx.post(f"{address}/translate", json=asked, timeout=60).json()
    assert 1 <= len(answer["alternatives"]) <= 3
    assert "doubts" not in answer
    started = time.perf_counter()
    for number in range(5):
        httpx.post(f"{address}/translate", json=fields | {"q": f"I have {number + 2} dogs."}, timeout=60)
    assert time.perf_counter() - started < 5 * 5
    unsure = fields | {"q": "Counterparties subrogate indemnities notwithstanding amortization."}
    assert httpx.post(f"{address}/translate", json=unsure, timeout=60).json()["doubts"]


def test_the_texts_of_a_long_list_keep_their_own_doubts(address: str, viewer_token: str) -> None:
    unsure, sure = "Counterparties subrogate indemnities notwithstanding amortization.", "I really like this old house."
    long = "\n".join([sure] * 140)
    assert len(long) > 4000  # so that a job answers
    asked = {"api_key": viewer_token, "source": "en", "target": "de", "q": [long, f"{sure}\n{unsure}", sure]}
    answer = httpx.post(f"{address}/translate", json=asked, timeout=180).json()
    assert [text.count("\n") for text in answer["translatedText"]] == [139, 1, 0]
    assert [bool(each) for each in answer["doubts"]] == [False, True, False]
    at_once = httpx.post(f"{address}/translate", json=asked | {"q": unsure}, timeout=60).json()
    assert answer["doubts"][1] == at_once["doubts"]


def test_a_document_comes_back_with_its_formatting(address: str, viewer_token: str) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("I ")
    paragraph.add_run("really").bold = True
    paragraph.add_run(" like this old house.")
    written = io.BytesIO()
    document.save(written)
    fields = {"api_key": viewer_token, "source": "en", "target": "de"}
    sent = httpx.post(
        f"{address}/translate_file", data=fields, files={"file": ("my report.docx", written.getvalue())}, timeout=180
    )
    assert sent.status_code == 200, sent.text
    got = httpx.get(sent.json()["translatedFileUrl"])
    assert "my%20report.de.docx" in got.headers["content-disposition"]
    runs = docx.Document(io.BytesIO(got.content)).paragraphs[0].runs
    assert [run.text for run in runs if run.bold] == ["wirklich"]
    refused = httpx.post(f"{address}/translate_file", data=fields, files={"file": ("a.exe", b"MZ")}, timeout=60)
    assert (refused.status_code, "not supported" in refused.json()["error"]) == (400, True)
