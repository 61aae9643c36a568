"""One artifact: what it looks like, says or sounds like, how it was made, and what belongs to it."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from flows.library.inputs import InputArtifact, resolve_input
from flows.library.labelling import update_labels
from flows.running.platform import Space
from gateway.gallery.page import Reader, see
from gateway.gallery.parts.cards import Verdict, preview_address
from gateway.gallery.parts.collections import Collections
from gateway.gallery.parts.facts import facts_of, recipe_of
from gateway.gallery.parts.transcripts import transcript_of
from gateway.gallery.route import GalleryRoute, wants_json
from gateway.http.access import Caller, Maker, Viewer
from gateway.http.artifacts import Lineage, read_lineage
from media.identify import read_text
from storage.artifacts import Artifact

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_TEXT_SHOWN = 100_000
_READ_AT_MOST = 2_000_000
VERDICTS = ("selected", "rejected")
"""The labels that a review leaves."""


@router.get("/artifacts/{artifact}")
def show(request: Request, caller: Viewer, artifact: str, at: float | None = None, q: str = "") -> Response:
    """The page of one artifact."""
    reader, space = Reader(request, caller.person), caller.space
    found = resolve_input(space, artifact)
    identity = found.artifact.sha256
    values = _shown(space, found) | _known(space, found)
    return reader.page(
        "artifact.html",
        id=identity,
        name=found.name,
        kind=found.kind,
        facts=facts_of(reader, found),
        recipe=recipe_of(reader, space, found.record),
        preview=preview_address(identity, found.artifact.media_type, found.artifact.size),
        at="" if at is None else f"{at:g}",
        words=q,
        shown=lambda label: _label_shown(reader, label),  # pyright: ignore[reportUnknownLambdaType]
        **values,
    )


@router.post("/artifacts/{artifact}/labels")
def label(
    caller: Maker, artifact: str, add: Annotated[str, Form()] = "", remove: Annotated[str, Form()] = ""
) -> Response:
    """Put a label on, or take one off."""
    added = [word.strip() for word in add.split(",") if word.strip()]
    update_labels(caller.space, artifact, add=added, remove=[remove] if remove else [])
    return see(f"/artifacts/{artifact}")


@router.post("/artifacts/{artifact}/verdict")
def judge(request: Request, caller: Maker, artifact: str, verdict: Annotated[Verdict, Form()] = "") -> Response:
    """Select, reject, or take that back; it is kept as a label."""
    labels = set_verdict(caller, artifact, verdict)
    return JSONResponse({"labels": labels}) if wants_json(request) else see(f"/artifacts/{artifact}")


def set_verdict(caller: Caller, artifact: str, verdict: Verdict) -> Sequence[str]:
    """The labels afterwards; of the verdicts at most one stands."""
    others = [word for word in VERDICTS if word != verdict]
    return update_labels(caller.space, artifact, add=[verdict] if verdict else [], remove=others)


def _known(space: Space, found: InputArtifact) -> dict[str, Any]:
    """What the project knows of it."""
    record = found.record
    return {
        "labels": space.labels.of(record) if record else (),
        "known": sorted(space.library.labels(space.project).items()),
        "collections": Collections(space.refs).all(),
        "lineage": read_lineage(space, found.artifact.sha256) if record else Lineage(ancestors=[], descendants=[]),
    }


def _shown(space: Space, found: InputArtifact) -> dict[str, Any]:
    """The text, or what is said."""
    values: dict[str, Any] = {"text": None, "cut": False, "segments": (), "spoken": "", "video": False}
    if found.kind == "text":
        text, cut = _text(space, found.artifact)
        values |= {"text": text, "cut": cut}
    if found.kind == "speech":
        transcript = transcript_of(space, found.artifact)
        values["video"] = found.artifact.media_type.startswith("video/")
        if transcript:
            values |= {"segments": transcript.segments, "spoken": transcript.language}
    return values


def _text(space: Space, artifact: Artifact) -> tuple[list[str], bool]:
    """The passages of a text, as far as a page has room, and whether there is more."""
    if artifact.size > _READ_AT_MOST:
        with space.store.open_range(artifact, 0, _TEXT_SHOWN) as stream:
            text = stream.read().decode(errors="replace")
    else:
        text = read_text(space.store.get(artifact))
    shown = text[:_TEXT_SHOWN].replace("\r\n", "\n")
    return [part.strip("\n") for part in shown.split("\n\n") if part.strip()], artifact.size > len(shown.encode())


def _label_shown(reader: Reader, label: str) -> str:
    """Labels are people's words; those that Triptych gives are said in the person's language."""
    return reader.say(label) if label in (*VERDICTS, "generated", "subtitles") else label
