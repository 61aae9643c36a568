"""The forms of the content flows. They are apart from the flows, so that the command line need not import Prefect."""

from typing import Literal

from pydantic import Field

from flows.running.form import (
    ADMINS_ONLY,
    Form,
    LanguageTag,
    OptionalLanguageTag,
    artifact_field,
    file_labels_field,
    language_field,
    model_field,
    project_field,
    prompt_field,
    recording_field,
    seed_field,
    spoken_language_field,
    style_field,
    vad_field,
    vocabulary_field,
)
from flows.running.local_time import Since, Until

_WORDS = 'What it shows, says or is about. "In quotes" as it stands; -word leaves out.'
SIZES = ("native", "64x64", "128x128", "256x256", "512x512", "768x768", "1024x1024", "768x512", "512x768")
"""The sizes that a form suggests; any other of multiples of 8 is possible."""


class PictureOrder(Form):
    """An order for generated pictures. The same order gives the same pictures, from the store the second time."""

    prompt: str = Field(title="Prompt", description="What the picture shows.", min_length=1, max_length=4000)
    style: str = Field(
        default="",
        title="Style",
        description="A style word that the model knows, put before the prompt; empty for none.",
        max_length=60,
    )
    count: int = Field(default=4, title="How many", description="How many pictures to make.", ge=1, le=64)
    size: str = Field(
        default="native",
        title="Size",
        description="Pixels, width by height, such as 640x384; native is what the model was made for.",
        pattern=r"^(native|[0-9]{2,4}x[0-9]{2,4})$",
        examples=list(SIZES),
    )
    seed: int = seed_field()
    start_from: str = artifact_field("Start from this picture", "The id of a stored picture to change, or empty.")
    strength: float = Field(
        default=0.6, title="How much to change it", description="0 keeps the start picture, 1 ignores it.", ge=0, le=1
    )
    avoid: str = Field(default="", title="Avoid", description="What the picture should not show.", max_length=1000)
    steps: int = Field(
        default=0,
        title="Steps",
        description="More steps take longer and show more detail; 0 is the model's own.",
        ge=0,
        le=150,
    )
    guidance: float = Field(
        default=-1.0,
        title="Guidance",
        description="How closely to follow the prompt; -1 is the model's own.",
        ge=-1,
        le=30,
    )
    scheduler: Literal["default", "ddim", "euler", "euler-ancestral", "dpm++"] = Field(
        default="default", title="Scheduler", description="How the picture is found step by step."
    )
    model: str = model_field()
    fit: Literal["exact", "nearest"] = Field(
        default="exact",
        title="Fit",
        description="nearest: the size nearest to the asked one that the model makes well.",
    )
    mask: str = artifact_field("Mask", "The id of a picture, transparent where the start picture may change; or empty.")
    previews: int = Field(
        default=0,
        title="Previews",
        description="Unfinished pictures for clients that wait for the order as a stream.",
        ge=0,
        le=3,
    )
    project: str = project_field()


class Query(Form):
    """A search query: words, an artifact that results should resemble, or both."""

    words: str = Field(default="", title="Words", description=_WORDS, max_length=2000)
    like: str = artifact_field(
        "Like this artifact", "The id of a stored picture or text that the results should resemble; with words: both."
    )
    itself: bool = Field(
        default=False,
        title="That artifact, too",
        description="Whether the artifact that the results should resemble may be a result: is it in the library?",
    )
    kinds: list[Literal["image", "speech", "text"]] = Field(
        default=["image", "speech", "text"], title="Kinds", description="What to look through.", min_length=1
    )
    labels: list[str] = Field(default=[], title="Labels", description="Only what has all of these labels.")
    since: Since | None = Field(
        default=None,
        title="Since",
        description="Only what came at this time or later; a day such as 2024-01-31 will do.",
    )
    until: Until | None = Field(
        default=None, title="Until", description="Only what came before this time, or until the end of this day."
    )
    made_since: Since | None = Field(
        default=None, title="Made since", description="Only what was made, such as photographed, at this time or later."
    )
    made_until: Until | None = Field(
        default=None,
        title="Made until",
        description="Only what was made before this time, or until the end of this day.",
    )
    at_least: float | None = Field(
        default=None,
        title="Score at least",
        description="Leave out what is less probable, from 0 for everything to 1; empty for the usual.",
        ge=0,
        le=1,
    )
    limit: int = Field(default=10, title="Results at most", description="How many results to list.", ge=1, le=200)
    offset: int = Field(default=0, title="Leave out", description="How many of the best to leave out.", ge=0, le=400)
    project: str = project_field()


class Recording(Form):
    """A recording to transcribe, and the language to translate it into."""

    recording: str = recording_field()
    language: str = spoken_language_field()
    to: OptionalLanguageTag = language_field(
        "Translate to", "Such as en or de; empty to leave it as spoken.", default="", of="targets"
    )
    model: str = model_field()
    prompt: str = prompt_field()
    vocabulary: list[str] = vocabulary_field()
    vad: Literal["model", "on", "off"] = vad_field()
    track: str = Field(
        default="",
        title="Track",
        description="Its number from 1, or its language; empty for the default.",
        max_length=40,
    )
    style: Literal["netflix", "bbc", "plain"] = style_field()
    channels: Literal["mixed", "separate"] = Field(
        default="mixed", title="Channels", description="separate: a transcript of each, marked with its channel."
    )
    speakers: bool = Field(default=False, title="Speakers", description="Tell by their voices who says what.")
    project: str = project_field()


class Text(Form):
    """A text to translate, and the language to translate it into."""

    text: str = Field(default="", title="Text", description="What to translate.", max_length=200_000)
    artifact: str = artifact_field("Stored text", "The id of a stored text to translate, instead.")
    target: LanguageTag = language_field("To", "Such as de, fr, es, zh or en.", default=..., of="targets")
    source: OptionalLanguageTag = language_field(
        "From", "Such as en; empty to detect the language.", default="", of="sources"
    )
    format: Literal["text", "paragraphs", "markdown", "html", "srt", "vtt"] = Field(
        default="text",
        title="Format",
        description="text: line by line; paragraphs: lines that are wrapped belong together; or markup, which is kept.",
    )
    project: str = project_field()


class Document(Form):
    """A document to translate, and the language to translate it into."""

    document: str = artifact_field("Document", "The id of a stored document.")
    name: str = Field(
        default="",
        title="File name",
        description="Its ending tells the format; empty for the document's own.",
        max_length=255,
    )
    target: LanguageTag = language_field("To", "Such as de, fr, es, zh or en.", default=..., of="targets")
    source: OptionalLanguageTag = language_field(
        "From", "Such as en; empty to detect the language.", default="", of="sources"
    )
    project: str = project_field()


class DuplicateSearch(Form):
    """Where to look for near duplicates, and whether to label them."""

    label: bool = Field(
        default=False,
        title="Label",
        description="Label all of a group but the largest picture: `duplicate`, to look at and remove in the gallery.",
    )
    project: str = project_field()


class Speech(Form):
    """A text to read aloud."""

    text: str = Field(title="Text", description="What to read aloud.", min_length=1, max_length=100_000)
    voice: str = Field(default="", title="Voice", description="A voice of the model; empty for its own.", max_length=60)
    speed: float = Field(default=1.0, title="Speed", description="1 is the voice's own pace.", ge=0.5, le=2)
    format: Literal["mp3", "opus", "aac", "flac", "wav"] = Field(
        default="mp3", title="Format", description="The kind of sound file."
    )
    model: str = model_field()
    project: str = project_field()


class UploadedFiles(Form):
    """Files to ingest, uploaded to the bucket under tmp/."""

    keys: list[str] = Field(
        title="Keys",
        description="The keys of the uploaded objects in the bucket.",
        min_length=1,
        max_length=10_000,
        json_schema_extra={ADMINS_ONLY: True},
    )
    labels: list[str] = file_labels_field()
    project: str = project_field()


class Addresses(Form):
    """Files on the public internet to download and ingest."""

    urls: list[str] = Field(title="Addresses", description="Each begins with https://.", min_length=1, max_length=1000)
    labels: list[str] = file_labels_field()
    keep_location: bool = Field(
        default=False, title="Keep locations", description="Keep where pictures were taken; it is dropped otherwise."
    )
    project: str = project_field()
