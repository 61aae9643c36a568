"""Commands that hear and speak: transcribe and speak."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Local, Project
from gateway.cli.running import run_form, space_opener, store_query_file
from gateway.cli.terminal import SOME_FAILED, existing_file, print_result, say_first, write_file
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
    style: Annotated[str, typer.Option(help="Rules of the subtitles: netflix, bbc or plain.")] = "netflix",
    channels: Annotated[str, typer.Option(help="mixed, or separate: a transcript of each channel.")] = "mixed",
    speakers: Annotated[bool, typer.Option("--speakers", help="Tell by their voices who says what.")] = False,
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
        heard = {
            "prompt": prompt,
            "vocabulary": word or [],
            "vad": vad,
            "track": track,
            "style": style,
            "channels": channels,
            "speakers": speakers,
        }
        form = fill_form(Recording, recording=recording, language=language, to=to, project=project, **heard)
        report = run_form("transcribe-audio", "recording", form, "flows.transcribe_audio:transcribe", local)
        text = report["text"] if output in ("txt", "json") else _read_text(space(), report["files"][output])
    document = {name: report[name] for name in ("language", "text", "segments", "doubtful")}
    print_result(document, as_json or output == "json", text)
    doubtful = [report["segments"][number] for number in report["doubtful"]]
    say_first([f"Doubtful, at {each['start_seconds']:.1f} s: {each['text'].strip()}" for each in doubtful])


def subtitle(
    file: Annotated[Path, typer.Argument(help="An audio or video file.")],
    to: Annotated[list[str] | None, typer.Option(help="A language beside the spoken one; repeatable.")] = None,
    voice: Annotated[str, typer.Option(help="Read the subtitles of this language aloud, such as en.")] = "",
    film: Annotated[bool, typer.Option("--film", help="Also write the film with the voice as a track.")] = False,
    language: Annotated[str, typer.Option(help="The spoken language, such as en; detected if not given.")] = "",
    output: Annotated[str, typer.Option("--format", help="srt, vtt or txt.")] = "srt",
    style: Annotated[str, typer.Option(help="Rules of the subtitles: netflix, bbc or plain.")] = "netflix",
    out: Annotated[Path, typer.Option(help="The folder to write the files into.")] = Path(),
    project: Project = "default",
    as_json: Json = False,
    local: Local = False,
) -> None:
    """Write subtitles in several languages, and a voice-over."""
    from flows.library.speaking.form import SubtitleOrder
    from media.recordings.added_track import FILM_ENDINGS

    if output not in ("srt", "vtt", "txt"):
        raise WrongInput(f"There is no format {output}: use srt, vtt or txt.")
    wanted = {"languages": to or [], "language": language, "style": style, "voice_over": voice, "with_film": film}
    with space_opener(project, local) as space:
        form = fill_form(SubtitleOrder, recording=store_query_file(space(), file), project=project, **wanted)
        report = run_form("subtitle-media", "order", form, "flows.subtitle_media:subtitle", local)
        files = {f"{lang}.{output}": formats[output] for lang, formats in report["subtitles"].items()}
        over: dict[str, Any] = report["voice_over"] or {"no_film": report["no_voice_over"]}
        files |= {f"{voice}.m4a": over["sound"]} if over.get("sound") else {}
        files |= {f"{voice}.{FILM_ENDINGS[over['film']['media_type']]}": over["film"]} if over.get("film") else {}
        paths = [out / f"{file.stem}.{ending}" for ending in files]
        for path, artifact in zip(paths, files.values(), strict=True):
            write_file(path, _read_bytes(space(), artifact))
    print_result(report | {"paths": [str(path) for path in paths]}, as_json, "\n".join(str(path) for path in paths))
    missing = [f"{lang}: {reason}" for lang, reason in report["missing"].items()]
    missing += [over["no_film"]] if over["no_film"] and voice not in report["missing"] else []
    say_first(missing)
    if missing:
        raise typer.Exit(SOME_FAILED)


def check_subtitles(
    file: Annotated[Path, typer.Argument(help="A SubRip or WebVTT file.")],
    style: Annotated[str, typer.Option(help="Whose rules: netflix, bbc or plain.")] = "netflix",
    as_json: Json = False,
) -> None:
    """Say which rules for subtitles a file breaks, and where."""
    from media.identify import read_text
    from modalities.speech.subtitles.check import check_cues
    from modalities.speech.subtitles.formats import clock, read_cues
    from modalities.speech.subtitles.styles import STYLES

    rules = next((each for name, each in STYLES.items() if name == style), None)
    if rules is None:
        raise WrongInput(f"There is no style {style}: use {', '.join(STYLES)}.")
    cues = read_cues(read_text(existing_file(file)))
    if not cues:
        raise WrongInput(f"{file} has no cues: is it a SubRip or WebVTT file?")
    faults = check_cues(cues, rules)
    rows = [f"{each.cue:>4}  {clock(each.start_seconds, '.')}  {each.rule}" for each in faults]
    document = {"cues": len(cues), "faults": [each.model_dump() for each in faults]}
    print_result(document, as_json, "\n".join(rows) or f"{len(cues)} cues, and no rule of {style} is broken.")
    if faults:
        raise typer.Exit(SOME_FAILED)


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
            write_file(out, space().store.get(space().records.get(report["artifact"]).artifact))
    document = {name: report[name] for name in ("artifact", "name", "duration_seconds")}
    print_result(document | {"path": str(out) if out else None}, as_json, str(out or report["artifact"]))


def _read_text(space: "Space", artifact: dict[str, Any]) -> str:
    return _read_bytes(space, artifact).decode()


def _read_bytes(space: "Space", artifact: dict[str, Any]) -> bytes:
    from storage.artifacts import Artifact

    return space.store.get(Artifact.model_validate(artifact))
