"""The official `openai` package works with the gateway, given its URL and a token."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from tests.paths import SAMPLES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
OURS = {"steps": 3, "seed": 5}
PICTURE = SAMPLES / "cat-and-mirror.jpg"


def picture_uri() -> str:
    """A picture as people send it inside JSON."""
    return f"data:image/jpeg;base64,{base64.b64encode((SAMPLES / 'luggage.jpg').read_bytes()).decode()}"


SOUND = SAMPLES / "weather.wav"


@pytest.fixture(scope="module")
def client(address: str, maker_token: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=maker_token, timeout=300, max_retries=0) as made:
        yield made


def size_of(data: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(data)).size


def test_pictures_are_returned_as_base64_and_as_urls(client: openai.OpenAI) -> None:
    inline = client.images.generate(
        model="icons", prompt="cat", n=2, response_format="b64_json", size="auto", extra_body=OURS
    )
    assert inline.data is not None
    first, second = (base64.b64decode(str(each.b64_json)) for each in inline.data)
    assert size_of(first) == (64, 64)
    assert first != second
    linked = client.images.generate(prompt="cat", n=1, response_format="url", extra_body=OURS)
    assert linked.data is not None
    assert httpx.get(str(linked.data[0].url)).content == first


def test_without_a_seed_pictures_differ_and_other_formats_are_possible(client: openai.OpenAI) -> None:
    made = [
        client.images.generate(prompt="cat", model="dall-e-2", output_format="webp", extra_body={"steps": 2}).data
        for _ in range(2)
    ]
    pictures = [base64.b64decode(str(each[0].b64_json)) for each in made if each]
    assert pictures[0] != pictures[1]
    assert Image.open(BytesIO(pictures[0])).format == "WEBP"


def test_a_stream_of_pictures_ends_with_a_completed_event(client: openai.OpenAI) -> None:
    events = list(client.images.generate(prompt="cat", n=2, stream=True, extra_body=OURS))
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert size_of(base64.b64decode(events[-1].b64_json)) == (64, 64)


@pytest.mark.parametrize("edit", [False, True])
def test_a_stream_has_partial_pictures_before_the_picture(client: openai.OpenAI, edit: bool) -> None:
    asked: dict[str, Any] = {"prompt": "cat", "stream": True, "partial_images": 2, "output_format": "webp"}
    asked["extra_body"] = {"steps": 12, "seed": secrets.randbelow(2**32)}
    made = client.images.edit(image=PICTURE, **asked) if edit else client.images.generate(**asked)
    events: Any = list(made)
    name = "image_edit" if edit else "image_generation"
    assert [event.type for event in events] == [f"{name}.partial_image"] * 2 + [f"{name}.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    pictures = [base64.b64decode(event.b64_json) for event in events]
    assert len({*pictures}) == 3
    assert {Image.open(BytesIO(picture)).format for picture in pictures} == {"WEBP"}


def test_a_picture_is_edited_and_varied(client: openai.OpenAI) -> None:
    start = client.images.generate(prompt="cat", response_format="b64_json", extra_body=OURS).data
    assert start is not None
    png = base64.b64decode(str(start[0].b64_json))
    edited = client.images.edit(
        image=("cat.png", png), prompt="dog", response_format="b64_json", extra_body=OURS | {"strength": 0.7}
    )
    varied = client.images.create_variation(image=("cat.png", png), response_format="b64_json", extra_body=OURS)
    assert edited.data is not None
    assert varied.data is not None
    found = {base64.b64decode(str(each.b64_json)) for each in (*edited.data, *varied.data)}
    assert len(found) == 2
    assert png not in found
    events = list(client.images.edit(image=PICTURE, prompt="dog", stream=True, extra_body=OURS))
    assert events[-1].type == "image_edit.completed"


def test_speech_is_transcribed_in_every_format(client: openai.OpenAI) -> None:
    def heard(kind: str) -> object:
        return client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format=kind)  # pyright: ignore

    assert "weather" in heard("json").text.lower()  # pyright: ignore
    assert "weather" in str(heard("text")).lower()
    assert str(heard("srt")).startswith("1\n00:00:")
    assert str(heard("vtt")).startswith("WEBVTT")


def test_verbose_speech_has_segments_and_words_with_times(client: openai.OpenAI) -> None:
    told = client.audio.transcriptions.create(
        model="whisper-base", file=SOUND, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert told.language == "english"
    assert float(told.duration) > 1
    assert told.segments
    assert told.segments[0].avg_logprob <= 0
    assert told.words
    starts = [word.start for word in told.words]
    assert starts == sorted(starts)
    plain = client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="verbose_json")
    assert plain.words is None


def test_speakers_are_told_apart_when_asked(client: openai.OpenAI) -> None:
    told: Any = client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="diarized_json")  # pyright: ignore
    assert {segment.speaker for segment in told.segments} == {"Speaker 1"}
    assert "weather" in told.segments[0].text.lower()


def test_speech_streams_and_is_translated(client: openai.OpenAI) -> None:
    events = list(client.audio.transcriptions.create(model="whisper-1", file=SOUND, stream=True))
    assert [event.type for event in events][-1] == "transcript.text.done"
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == events[-1].text  # pyright: ignore
    english = client.audio.translations.create(model="whisper-1", file=SOUND)
    assert "weather" in english.text.lower()


def test_texts_and_pictures_are_embedded(client: openai.OpenAI) -> None:
    texts = client.embeddings.create(model="text-embedding-3-small", input=["a cat", "a kitten", "tax law"])
    cat, kitten, law = (np.array(each.embedding) for each in texts.data)
    assert cat @ kitten > cat @ law
    numbers = client.embeddings.create(model=texts.model, input="a cat", encoding_format="float").data[0].embedding
    assert np.allclose(numbers, cat, atol=1e-5)
    uri = picture_uri()
    both = client.embeddings.create(model="starter-clip", input=[uri, "suitcases", "a lizard"])
    picture, suitcases, lizard = (np.array(each.embedding) for each in both.data)
    assert picture @ suitcases > picture @ lizard
    assert texts.usage.total_tokens > 0


def test_models_are_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"icons", "whisper-base", "starter-clip"} <= set(names)
    assert client.models.retrieve("icons").id == "icons"


def test_errors_have_openais_shape(client: openai.OpenAI, address: str, viewer_token: str) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-9")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.images.generate(prompt="cat", model="gpt-9")
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="", model="icons")
    assert refused.value.param == "prompt"
    with pytest.raises(openai.BadRequestError, match="is no recording"):
        client.audio.transcriptions.create(model="whisper-1", file=PICTURE)
    with pytest.raises(openai.BadRequestError, match="embeds texts"):
        client.embeddings.create(model="starter-minilm", input=picture_uri())
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0).models.list()
    with pytest.raises(openai.PermissionDeniedError):
        openai.OpenAI(base_url=f"{address}/v1", api_key=viewer_token, max_retries=0).images.generate(prompt="cat")


def test_equal_seeds_give_the_stored_bytes(client: openai.OpenAI, maker: httpx.Client) -> None:
    made = client.images.generate(prompt="cat", response_format="b64_json", extra_body=OURS).data
    assert made is not None
    data = base64.b64decode(str(made[0].b64_json))
    kept = maker.get(f"/api/artifacts/{hashlib.sha256(data).hexdigest()}/download", follow_redirects=True)
    assert kept.content == data
