"""The form of subtitles and a voice-over, apart from the flow, so that the command line imports no Prefect."""

from pydantic import Field

from flows.running.form import (
    Form,
    LanguageTag,
    OptionalLanguageTag,
    language_field,
    project_field,
    recording_field,
    spoken_language_field,
    style_field,
)
from modalities.speech.subtitles.styles import StyleName


class SubtitleOrder(Form):
    """A recording and the languages that its subtitles should be in."""

    recording: str = recording_field()
    languages: list[LanguageTag] = language_field(
        "Languages", "The languages beside the spoken one.", default=[], of="targets"
    )
    language: str = spoken_language_field()
    style: StyleName = style_field()
    voice_over: OptionalLanguageTag = Field(
        default="",
        title="Voice-over",
        description="Read the subtitles of this language aloud, such as en, as a track timed to them; empty for none.",
    )
    with_film: bool = Field(
        default=False, title="Film with voice-over", description="Also make the film with the voice-over as a track."
    )
    project: str = project_field()
