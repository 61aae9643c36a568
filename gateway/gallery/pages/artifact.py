"""The page of one artifact: preview, facts, lineage, labels and collections."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from flows.library.classification.predictions import auto_label, predictions_of
from flows.library.inputs import InputArtifact, resolve_input
from flows.library.labelling import update_labels
from flows.library.reading.contents import has_contents
from flows.library.reading.live_photos import live_photo_of
from flows.library.speaking.speakers import find_speakers
from flows.library.trash import TRASH_TIME, move_to_trash, take_out_of_trash, trashed_since
from flows.running.errors import EXPECTED
from flows.running.platform import Space
from gateway.gallery.page import PageRenderer, redirect_to
from gateway.gallery.pages.suggestions import cards_beside
from gateway.gallery.parts.cards import ReviewLabel, preview_address
from gateway.gallery.parts.collections import Collections
from gateway.gallery.parts.contents import contents_values
from gateway.gallery.parts.facts import file_facts, recipe_rows, recognized
from gateway.gallery.parts.transcripts import find_transcript
from gateway.gallery.route import GalleryRoute, wants_json
from gateway.http.access import Caller, Maker, Viewer
from gateway.http.artifacts import Lineage, explain_label, explain_picture, read_lineage
from media.identify import read_text
from modalities.classification.attribution import WordEffect
from modalities.embedding.attribution import ClassShare
from modalities.speech.repetitions import spoken
from storage.artifacts import Artifact
from storage.errors import RecordCorrupt
from storage.index.lexemes import spans_of
from storage.index.word_query import telling_words
from storage.labels import TRASH

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_TELLING, _MOST_WORDS = 0.1, 12
_MAX_CHARACTERS = 100_000
_MAX_BYTES_READ = 2_000_000
REVIEW_LABELS: tuple[ReviewLabel, ...] = ("selected", "rejected")


@router.get("/artifacts/{artifact}")
async def show(
    request: Request,
    caller: Viewer,
    artifact: str,
    at: float | None = None,
    q: str = "",
    place: str = "",
    why: str = "",
) -> Response:
    """Show the page; `at` is a time in a recording, in seconds, `q` the words to highlight, `place` such as page=3,
    `why` the classifier whose label is explained."""
    renderer, space = PageRenderer(request, caller.person), caller.space
    found = await run_in_threadpool(resolve_input, space, artifact)
    values = await run_in_threadpool(_values, renderer, space, found, place)
    sha256 = found.artifact.sha256
    page = await run_in_threadpool(
        renderer.page,
        "artifact.html",
        at="" if at is None else f"{at:g}",
        words=q,
        goes_with=await run_in_threadpool(cards_beside, caller, sha256) if found.record else [],
        looks_like=await _looks_like(caller, found, q),
        why=why,
        telling=await _telling_words(caller, found, why),
        said_by=await run_in_threadpool(_said_by, space, sha256),
        label_title=lambda label: _label_title(renderer, label),  # pyright: ignore[reportUnknownLambdaType]
        **values,
    )
    page.background = caller.noting(sha256, "opened") if found.record else None
    return page


def _values(renderer: PageRenderer, space: Space, found: InputArtifact, place: str) -> dict[str, Any]:
    """What the page shows of any visit."""
    identity = found.artifact.sha256
    return {
        "id": identity,
        "name": found.name,
        "kind": found.kind,
        "facts": file_facts(renderer, found),
        "recipe": recipe_rows(renderer, space, found.record),
        "recognized": recognized(space, found),
        "preview": preview_address(identity, found.artifact.media_type, found.artifact.size),
        **_content(space, found),
        **contents_values(space, found, place),
        **_context(space, found),
    }


async def _telling_words(caller: Caller, found: InputArtifact, classifier: str) -> list[WordEffect]:
    """The words of a text that made the label of a classifier, the most telling first; pictures have a heat map."""
    if not classifier or found.kind == "image":
        return []
    try:
        words = (await explain_label(caller, found.artifact.sha256, classifier)).words
    except EXPECTED:
        return []
    return sorted((each for each in words if each.effect >= _TELLING), key=lambda each: -each.effect)[:_MOST_WORDS]


def _said_by(space: Space, sha256: str) -> dict[str, str]:
    """By `auto:` label: the classifier that put it on."""
    try:
        predicted = predictions_of(space, sha256)
    except RecordCorrupt:
        return {}
    return {auto_label(each.label): name for name, each in predicted.items() if each.label}


async def _looks_like(caller: Caller, found: InputArtifact, words: str) -> list[ClassShare] | None:
    """The classes that bring a picture near the words; None where its name has them, or no model can tell."""
    if found.kind != "image" or not words or spans_of(telling_words(words), found.name, inside=True):
        return None
    try:
        why = await explain_picture(caller, found.artifact.sha256, words, seconds=None, place="", regions=False)
    except EXPECTED:
        return None
    return why.classes


@router.post("/artifacts/{artifact}/labels")
def change_labels(
    caller: Maker, artifact: str, add: Annotated[str, Form()] = "", remove: Annotated[str, Form()] = ""
) -> Response:
    """Add labels, separated by commas, or remove one."""
    added = [word.strip() for word in add.split(",") if word.strip()]
    update_labels(caller.space, artifact, add=added, remove=[remove] if remove else [])
    return redirect_to(f"/artifacts/{artifact}")


@router.post("/artifacts/{artifact}/delete")
def delete(caller: Maker, artifact: str) -> Response:
    """Put the artifact into the trash, and show its page again, whose button undoes this."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    move_to_trash(caller.space, sha256, caller.person.name)
    return redirect_to(f"/artifacts/{sha256}")


@router.post("/artifacts/{artifact}/undelete")
def undelete(caller: Maker, artifact: str) -> Response:
    """Take the artifact out of the trash."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    take_out_of_trash(caller.space, sha256)
    return redirect_to(f"/artifacts/{sha256}")


@router.post("/artifacts/{artifact}/verdict")
def review(request: Request, caller: Maker, artifact: str, verdict: Annotated[ReviewLabel, Form()] = "") -> Response:
    """Label a picture as selected or rejected; an empty verdict removes both labels."""
    labels = set_review_label(caller, artifact, verdict)
    answer = JSONResponse({"labels": labels}) if wants_json(request) else redirect_to(f"/artifacts/{artifact}")
    answer.background = caller.noting(artifact, "chosen") if verdict == "selected" else None
    return answer


def set_review_label(caller: Caller, artifact: str, label: ReviewLabel) -> Sequence[str]:
    """Replace the review label of an artifact. Returns all its labels."""
    others = [each for each in REVIEW_LABELS if each != label]
    return update_labels(caller.space, artifact, add=[label] if label else [], remove=others)


def _context(space: Space, found: InputArtifact) -> dict[str, Any]:
    """Return what the project knows about the artifact: labels, the trash, collections, lineage."""
    record = found.record
    labels = space.labels.of(record) if record else ()
    since = trashed_since(space, found.artifact.sha256) if TRASH in labels else None
    return {
        "is_in_library": record is not None,
        "labels": [label for label in labels if label != TRASH],
        "trash": TRASH if TRASH in labels else "",
        "trashed_until": f"{since + TRASH_TIME:%Y-%m-%d}" if since else "",
        "known": sorted(space.library.labels(space.project).items()),
        "collections": Collections(space.refs).all(),
        "lineage": read_lineage(space, found.artifact.sha256) if record else Lineage(ancestors=[], descendants=[]),
    }


def _content(space: Space, found: InputArtifact) -> dict[str, Any]:
    """Return the passages of a text, or the transcript of a recording or of the film of a live photo."""
    values: dict[str, Any] = {"text": None, "cut": False, "segments": (), "spoken": "", "video": False}
    live = live_photo_of(space, found.record)
    values |= {"motion": live.film if live and found.kind == "image" else "", "still": live.picture if live else ""}
    values |= {"sections": None, "frames": (), "poster": False, "left_out": "", "heard": True}
    if found.kind == "text" and not has_contents(found.artifact, found.record):
        text, cut = _text(space, found.artifact)
        values |= {"text": text, "cut": cut}
    heard = resolve_input(space, live.film) if live and found.kind == "image" else found
    if heard.kind == "speech":
        transcript = find_transcript(space, heard.artifact)
        values["video"] = found.artifact.media_type.startswith("video/")
        values["heard"] = not heard.record or heard.record.properties.get("has_sound", True)
        if transcript:
            values |= {
                "segments": find_speakers(space, heard.artifact, spoken(transcript.segments)),
                "spoken": transcript.language,
            }
    return values


def _text(space: Space, artifact: Artifact) -> tuple[list[str], bool]:
    """Return the first 100,000 characters of a text in passages, and whether there is more."""
    if artifact.size > _MAX_BYTES_READ:
        with space.store.open_range(artifact, 0, _MAX_CHARACTERS) as stream:
            text = stream.read().decode(errors="replace")
    else:
        text = read_text(space.store.get(artifact))
    shown = text[:_MAX_CHARACTERS].replace("\r\n", "\n")
    return [part.strip("\n") for part in shown.split("\n\n") if part.strip()], artifact.size > len(shown.encode())


def _label_title(renderer: PageRenderer, label: str) -> str:
    """Translate the labels that Triptych itself gives; those of people stay as they are."""
    return renderer.translate(label) if label in (*REVIEW_LABELS, "generated", "subtitles", "duplicate") else label
