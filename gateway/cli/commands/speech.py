"""Commands that hear and speak: transcribe and speak."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form, space_opener, store_query_file
from gateway.cli.terminal import existing_file, print_result
from gateway.errors import WrongInput
from gateway.forms import fill_form

if TYPE_CHECKING:
    from flows.running.platform import Space


def transcribe(
    file: Annotated[Path, typer.Argument(help="An audio or video file.")],
    language: Annotated[str, typer.Option(help="The spoken language, such as en; detected if not given.")] = "",
    to: Annotated[str, typer.Option(help="Translate to this language.")] = "",
    output: Annotated[str, typer.Option("--format", help="json, srt, vtt or txt.")] = "txt",
    prompt: Annotated[str, typer.Option(help="A text in the style of the transcript, with names as written.")] = "",
    word: Annotated[list[str] | None, typer.Option(help="A word that is likely to be said; repeatable.")] = None,
    vad: Annotated[str, typer.Option(help="Leave out what is no speech: on, off (for songs), model.")] = "model",
    track: Annotated[str, typer.Option(help="The number or language of the track to hear.")] = "",
    channels: Annotated[str, typer.Option(help="mixed, or separate: a transcript of each channel.")] = "mixed",
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Write down what is said in a recording."""
    from flows.running.content_forms import Recording

    if output not in ("json", "srt", "vtt", "txt"):
        raise WrongInput(f"There is no format {output}: use json, srt, vtt or txt.")
    with space_opener(project, local) as space:
        recording = store_query_file(space(), file)
        heard = {"prompt": prompt, "vocabulary": word or [], "vad": vad, "track": track, "channels": channels}
        form = fill_form(Recording, recording=recording, language=language, to=to, project=project, **heard)
        report = run_form("transcribe-audio", "recording", form, "flows.transcribe_audio:transcribe", local)
        text = report["text"] if output in ("txt", "json") else _read_text(space(), report["files"][output])
    document = {name: report[name] for name in ("language", "text", "segments")}
    print_result(document, as_json or output == "json", text)


def speak(
    text: Annotated[str, typer.Argument(help="What to read aloud.")] = "",
    out: Annotated[Path | None, typer.Option(help="The sound file to write: .mp3, .ogg, .aac, .flac or .wav.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read this text file aloud.")] = None,
    voice: Annotated[str, typer.Option(help="A voice of the model.")] = "",
    speed: Annotated[float, typer.Option(help="1 is the voice's own pace.")] = 1.0,
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Read a text aloud."""
    from flows.running.content_forms import Speech
    from media.identify import read_text

    words = read_text(existing_file(file)) if file else text
    kind = {"": "mp3", "ogg": "opus"}.get(ending := (out.suffix.lower().lstrip(".") if out else ""), ending)
    form = fill_form(Speech, text=words, voice=voice, speed=speed, format=kind, project=project)
    with space_opener(project, local) as space:
        report = run_form("speak-text", "speech", form, "flows.speak_text:speak", local)
        if out:
            out.write_bytes(space().store.get(space().records.get(report["artifact"]).artifact))
    document = {name: report[name] for name in ("artifact", "name", "duration_seconds")}
    print_result(document | {"path": str(out) if out else None}, as_json, str(out or report["artifact"]))


def _read_text(space: "Space", artifact: dict[str, Any]) -> str:
    from storage.artifacts import Artifact

    return space.store.get(Artifact.model_validate(artifact)).decode()
