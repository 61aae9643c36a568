"""Requests in the forms in which popular client programs send them: Open WebUI, LibreChat, LangChain and others.

Each is written anew from what their sources send: fields, file names and defaults.
"""

import base64
import gzip
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from gateway.http.openai import token_ids
from modalities.generation.picture_metadata import read_generation_metadata, read_prompt
from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
FAST = {"steps": 2, "seed": 5}
CL100K = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"


@pytest.fixture(scope="module")
def client(address: str, maker_token: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=maker_token, timeout=300, max_retries=0) as made:
        yield made


def picture(answer: Any, place: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(answer["data"][place]["b64_json"])))


def png(mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> bytes:
    image = Image.new(mode, size, (200, 30, 30, 255)[: len(mode)])
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_open_webui_and_librechat_get_pictures_inline_by_the_models_name(maker: httpx.Client) -> None:
    body = {"model": "gpt-image-1", "prompt": "a red apple", "n": 1, "size": "512x512", **FAST}
    answer = maker.post("/v1/images/generations", json=body)
    assert answer.status_code == 200, answer.text
    assert picture(answer.json()).size == (64, 64)
    assert "512x512" in answer.headers["x-triptych-notice"]
    assert answer.json()["size"] == "64x64"
    librechat = {
        **body,
        "background": "auto",
        "output_format": "webp",
        "output_compression": 80,
        "quality": "auto",
        "size": "auto",
    }
    answer = maker.post("/v1/images/generations", json=librechat)
    assert answer.status_code == 200, answer.text
    assert "x-triptych-notice" not in answer.headers
    made = base64.b64decode(answer.json()["data"][0]["b64_json"])
    assert Image.open(io.BytesIO(made)).format == "WEBP"
    metadata = read_generation_metadata(made)
    assert metadata is not None
    assert metadata["request"]["prompt"] == read_prompt(made) == "a red apple"


def test_dall_e_3_with_its_style_quality_size_and_a_long_prompt_is_answered_with_a_notice(maker: httpx.Client) -> None:
    body = {
        "model": "dall-e-3",
        "prompt": "A red apple on a table. " * 166,
        "quality": "hd",
        "style": "vivid",
        "size": "1792x1024",
        "n": 1,
        "seed": -1,
        "steps": 1,
    }
    answers = [maker.post("/v1/images/generations", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert "1792x1024" in answers[0].headers["x-triptych-notice"]
    assert "vivid" in answers[0].headers["x-triptych-notice"]
    links = [answer.json()["data"][0]["url"] for answer in answers]
    made = [httpx.get(link).content for link in links]
    assert made[0] != made[1]
    assert Image.open(io.BytesIO(made[0])).size == (88, 48)
    request = (read_generation_metadata(made[0]) or {})["request"]
    assert request["prompt"].startswith("A red apple on a table.")
    assert 0 <= request["seed"] < 2**32


@pytest.mark.parametrize("seed", [2**32, 2**64 - 1])
def test_wide_seeds_and_any_multiple_of_8_are_taken(maker: httpx.Client, seed: int) -> None:
    body = {
        "model": "icons",
        "prompt": "apple",
        "size": "96x40",
        "seed": seed,
        "steps": 1,
        "response_format": "b64_json",
    }
    answer = maker.post("/v1/images/generations", json=body)
    assert answer.status_code == 200, answer.text
    assert picture(answer.json()).size == (96, 40)
    data = base64.b64decode(answer.json()["data"][0]["b64_json"])
    assert (read_generation_metadata(data) or {})["request"]["seed"] == seed


def test_newer_names_of_openais_models_are_answered(maker: httpx.Client) -> None:
    for name in ("gpt-image-2-mini", "chatgpt-image-latest", "openai/gpt-image-1.5"):
        answer = maker.post("/v1/images/generations", json={"model": name, "prompt": "apple", "steps": 1, "seed": 1})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"][0]["b64_json"]


def test_edits_take_the_pictures_in_a_list_as_open_webui_and_librechat_send_them(maker: httpx.Client) -> None:
    fields = {
        "model": "gpt-image-1",
        "prompt": "a blue boat",
        "quality": "auto",
        "size": "auto",
        "steps": "4",
        "seed": "",
    }
    one = maker.post("/v1/images/edits", data=fields, files=[("image[]", ("a b.png", png(), "image/png"))])
    assert one.status_code == 200, one.text
    assert picture(one.json()).size == (64, 64)
    two = [("image[]", (name, png(), "image/png")) for name in ("a.png", "b.png")]
    both = maker.post("/v1/images/edits", data=fields, files=two)
    assert both.status_code == 200, both.text
    assert "the first of 2" in both.headers["x-triptych-notice"]
    none = maker.post("/v1/images/edits", data=fields, files={"mask": ("a.png", png(), "image/png")})
    assert none.status_code == 400
    assert "send one in the field `image`" in none.json()["error"]["message"]


def test_only_the_hole_changes_by_a_mask_and_by_the_pictures_own_transparency(client: openai.OpenAI) -> None:
    kept = np.full((64, 31, 3), (200, 30, 30))
    masked = client.images.edit(
        image=("red.png", png()), mask=("mask.png", png("RGBA")), prompt="tree", model="gpt-image-1", extra_body=FAST
    )
    own = client.images.edit(image=("red.png", png("RGBA")), prompt="tree", model="gpt-image-1", extra_body=FAST)
    for answer in (masked, own):
        assert answer.data
        made = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(answer.data[0].b64_json)))))
        assert (made[:, 33:] == kept).all()
        assert abs(made[:, :31].astype(int) - kept).mean() > 10


def test_a_picture_of_another_tool_is_varied_by_its_own_prompt(maker: httpx.Client) -> None:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text("parameters", "sailing boat, soft\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 1")
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "navy").save(file, "PNG", pnginfo=chunks)
    fields = {"response_format": "b64_json", "steps": "3"}
    answer = maker.post("/v1/images/variations", data=fields, files={"image": ("x.png", file.getvalue(), "image/png")})
    assert answer.status_code == 200, answer.text
    assert read_prompt(base64.b64decode(answer.json()["data"][0]["b64_json"])) == "sailing boat, soft"


def test_pictures_and_downloads_come_through_the_gateway_in_whole_and_in_ranges(
    maker: httpx.Client, address: str, cat: str
) -> None:
    body = {"model": "dall-e-2", "prompt": "apple", "n": 1, **FAST}
    link = maker.post("/v1/images/generations", json=body).json()["data"][0]["url"]
    assert link.startswith(f"{address}/files/")
    whole = httpx.get(link)
    assert Image.open(io.BytesIO(whole.content)).size == (64, 64)
    part = httpx.get(link, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert httpx.get(link, headers={"Range": "bytes=999999999-"}).status_code == 416
    assert httpx.get(link.replace("expires=1", "expires=2")).status_code == 403
    assert httpx.get(link.replace("/files/api/", "/files/elsewhere/")).status_code == 403

    details = maker.get(f"/api/artifacts/{cat}").json()
    assert details["url"].startswith(f"{address}/files/")
    saved = maker.get(f"/api/artifacts/{cat}/download")
    assert hashlib.sha256(saved.content).hexdigest() == cat
    assert "cat-and-mirror.jpg" in saved.headers["content-disposition"]
    end = maker.get(f"/api/artifacts/{cat}/download", headers={"Range": "bytes=-5"})
    assert (end.status_code, end.content) == (206, saved.content[-5:])


@pytest.mark.parametrize("language", ["en_US", "auto", "", "English", "eng"])
def test_the_language_is_understood_in_any_usual_form(maker: httpx.Client, language: str) -> None:
    with (SAMPLES / "weather.wav").open("rb") as file:
        answer = maker.post(
            "/v1/audio/transcriptions",
            data={"model": "whisper-1", "language": language, "response_format": "", "stream": ""},
            files={"file": ("voice.wav", file, "audio/wav")},
        )
    assert answer.status_code == 200, answer.text
    text = answer.json()["text"]
    assert "weather" in text.lower()
    assert text == text.strip()


def test_a_prompt_and_a_vocabulary_change_how_names_are_written(maker: httpx.Client) -> None:
    with (SAMPLES / "weather.wav").open("rb") as file:
        told = {
            "model": "whisper-1",
            "prompt": "THE WEATHER REPORT, ALL IN CAPITAL LETTERS.",
            "hotwords": "Wetter, sun",
        }
        answer = maker.post("/v1/audio/transcriptions", data=told, files={"file": ("voice.wav", file, "audio/wav")})
    assert answer.status_code == 200, answer.text
    request = newest_request(maker)
    assert request["prompt"] == told["prompt"]
    assert request["vocabulary"] == ["Wetter", "sun"]


def newest_request(maker: httpx.Client) -> dict[str, Any]:
    """The parameters of the newest job, as the flow got them."""
    from flows.running.platform import Platform
    from flows.running.settings import load_settings
    from tests import shared_servers

    space = Platform(load_settings(shared_servers.stack_home())).space("api")
    newest = max(space.recipes.read_all()[0], key=lambda record: record.created)
    return newest.recipe.request


def test_langchain_embeds_with_its_defaults(
    address: str, maker_token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: openai.OpenAI
) -> None:
    table = (Path(token_ids.__file__).parent / "cl100k_base.tiktoken.gz").read_bytes()
    (tmp_path / hashlib.sha1(CL100K.encode()).hexdigest()).write_bytes(gzip.decompress(table))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    model = OpenAIEmbeddings(base_url=f"{address}/v1", api_key=SecretStr(maker_token))
    texts = ["A cat sits on the mat.", "ein Häuschen 家 🎉", "tax law"]
    found = np.array(model.embed_documents(texts))
    plain = client.embeddings.create(model="text-embedding-ada-002", input=texts, encoding_format="float")
    assert np.allclose(found, [each.embedding for each in plain.data], atol=1e-4)
    assert np.allclose(model.embed_query(texts[0]), found[0], atol=1e-4)


def test_embeddings_take_2048_inputs_and_say_what_to_send_instead_of_foreign_token_ids(maker: httpx.Client) -> None:
    many = maker.post(
        "/v1/embeddings", json={"model": "text-embedding-3-small", "input": [str(n) for n in range(2048)]}
    )
    assert many.status_code == 200, many.text
    assert [each["index"] for each in many.json()["data"]] == list(range(2048))
    foreign = maker.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": [[199_999]]})
    assert foreign.status_code == 400
    assert "send texts instead of token ids" in foreign.json()["error"]["message"]
    inline = maker.post("/v1/embeddings", json={"input": "a cat", "encoding_format": "base64"}).json()
    assert len(base64.b64decode(inline["data"][0]["embedding"])) == 384 * 4


def test_the_list_of_models_says_what_each_can(client: openai.OpenAI) -> None:
    found = {model.id: model.model_dump()["capabilities"] for model in client.models.list()}
    assert "image-edit" in found["icons"]
    assert "transcription" in found["whisper-base"]
    assert "image-embedding" in found["starter-clip"]


@pytest.mark.parametrize(("kind", "begins"), [("mp3", b"ID3"), ("opus", b"OggS"), ("wav", b"RIFF"), ("flac", b"fLaC")])
def test_a_text_is_read_aloud_in_the_format_that_is_asked_for(client: openai.OpenAI, kind: Any, begins: bytes) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="The weather is fine. " * 3, response_format=kind
    ) as answer:
        data = b"".join(answer.iter_bytes())
        assert data.startswith(begins)
        assert "no voice alloy" in answer.headers["x-triptych-notice"]


def test_a_spoken_text_is_understood_by_transcriptions(client: openai.OpenAI, maker: httpx.Client) -> None:
    text = "Please bring the red umbrella. It will rain in the afternoon."
    sound = client.audio.speech.create(model="tts-1-hd", voice="heart", input=text, speed=0.3).content
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", sound), response_format="text")
    assert {"red", "umbrella", "rain", "afternoon"} <= set(
        "".join(c if c.isalpha() else " " for c in str(heard)).split()
    )
    events = maker.post("/v1/audio/speech", json={"input": text, "stream_format": "sse", "response_format": "pcm"}).text
    assert "speech.audio.delta" in events
    assert events.rstrip().splitlines()[-1].startswith('data: {"type": "speech.audio.done"')
    assert [voice["id"] for voice in maker.get("/v1/audio/voices").json()["voices"]] == ["heart"]
    for body, what in [
        ({"input": "你好"}, "another script"),
        ({"input": "Hello", "voice": "nobody"}, "the voices are heart"),
    ]:
        refused = maker.post("/v1/audio/speech", json=body)
        assert refused.status_code == 400, refused.text
        assert what in refused.json()["error"]["message"]
