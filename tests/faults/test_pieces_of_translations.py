"""Speech that is translated into English is heard as the transcript was: by the same track, with the same prompt."""

import json

from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.transcribe_audio import hear, translate_segments
from modalities.speech.requests import HEARING, Transcribe
from tests.faults.conftest import sound


async def test_the_choices_of_a_request_hold_for_the_pieces_of_its_translation(
    stub_platform: Platform, project: str
) -> None:
    context: RunContext = local_context(stub_platform.space(project))
    request = Transcribe(
        model="stub-transcriber",
        audio=context.space.store.put(sound(0.5), "audio/wav"),
        prompt="Dr. Grünwald",
        vocabulary=("Reykjavik",),
        vad="off",
        track="2",
        channel=1,
    )
    _, segments = await hear(context, request)
    translated = await translate_segments(context, request, "de", segments, "en")
    assert [segment.text for segment in translated.segments] == ["Somebody speaks."]
    calls = stub_platform.settings.models_config.with_name("calls").read_text(encoding="utf-8").splitlines()
    heard, into_english = (json.loads(call) for call in calls)
    assert (heard["task"], into_english["task"], into_english["language"]) == ("transcribe", "translate", "de")
    choices = request.model_dump(mode="json", include=set(HEARING))
    assert {name: heard[name] for name in HEARING} == {name: into_english[name] for name in HEARING} == choices
