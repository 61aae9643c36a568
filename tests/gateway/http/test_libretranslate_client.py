"""Unmodified LibreTranslate clients work with the gateway."""

import httpx
import pytest
from libretranslatepy import LibreTranslateAPI

from gateway.http.libretranslate.html_text import split_html

pytestmark = [pytest.mark.timeout(600)]


@pytest.mark.stack
def test_the_client_package_translates_detects_and_lists(address: str, maker_token: str) -> None:
    client = LibreTranslateAPI(address, api_key=maker_token)
    assert client.translate("Good morning.", "en", "de").strip()
    assert client.detect("The weather is fine today and we go for a walk.")[0]["language"] == "en"
    languages = client.languages()
    english = next(each for each in languages if each["code"] == "en")
    assert english["name"] == "English"
    assert {"de", "fr"} <= set(english["targets"])


@pytest.mark.stack
def test_lists_html_and_language_detection_are_supported(address: str, maker_token: str) -> None:
    asked = {
        "q": ["Good morning.", "Thank you.\nGood night."],
        "source": "auto",
        "target": "de",
        "api_key": maker_token,
    }
    answer = httpx.post(f"{address}/translate", json=asked, timeout=120).json()
    assert len(answer["translatedText"]) == 2
    assert answer["translatedText"][1].count("\n") == 1
    assert [each["language"] for each in answer["detectedLanguage"]] == ["en", "en"]
    html = {"q": '<p class="x">Good morning. <b>Thank you.</b></p>', "source": "en", "target": "de", "format": "html"}
    answer = httpx.post(f"{address}/translate", data=html | {"api_key": maker_token}, timeout=120).json()
    assert answer["translatedText"].startswith('<p class="x">')
    assert answer["translatedText"].endswith("</b></p>")


@pytest.mark.stack
def test_errors_are_sentences(address: str, maker_token: str, viewer_token: str) -> None:
    def refused(**fields: str) -> tuple[int, str]:
        answer = httpx.post(f"{address}/translate", json={"api_key": maker_token, "q": "Hello."} | fields, timeout=60)
        return answer.status_code, answer.json()["error"]

    assert refused(source="en", target="xx")[0] == 422
    assert refused(source="en")[0] == 422
    assert refused(source="en", target="de", api_key="wrong")[0] == 401
    assert refused(source="en", target="de", api_key=viewer_token)[0] == 403


def test_html_keeps_its_markup() -> None:
    html = '<!doctype html><p title="a &amp; b">One &lt; two<br/> <i>three</i></p><pre>keep</pre><script>1 < 2</script>'
    texts, join = split_html(html)
    assert texts == ["One < two", "three"]
    assert join(texts) == html
