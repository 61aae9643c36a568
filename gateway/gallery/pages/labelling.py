"""The page that asks about what a classifier is least certain about, with one key for each label."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from flows.library.classification.uncertain import NONE_OF_THESE, Uncertain, answer_with, least_certain
from flows.running.platform import Space
from gateway.gallery.page import PageRenderer, redirect_to
from gateway.gallery.parts.cards import preview_address
from gateway.gallery.route import GalleryRoute, wants_json
from gateway.http.access import Maker

router = APIRouter(prefix="/review/labels", route_class=GalleryRoute, include_in_schema=False)
_KEYS = "123456789abcdefghijklmnopqrstvwxyz"
"""One for each label, in alphabetical order; `u` takes back, `0` is none of these."""
_AT_ONCE = 50


@router.get("")
async def ask(request: Request, caller: Maker, classifier: str = "") -> Response:
    """Show what the classifier is least certain about; without a name, the first one that has questions."""
    found = await run_in_threadpool(least_certain, caller.space, _AT_ONCE)
    chosen = classifier if classifier in found else next(iter(found), "")
    values = await run_in_threadpool(_values, caller.space, found, chosen)
    return PageRenderer(request, caller.person).page("labelling.html", classifier=chosen, **values)


@router.post("")
def answer(
    request: Request,
    caller: Maker,
    classifier: Annotated[str, Form()],
    artifact: Annotated[str, Form()],
    label: Annotated[str, Form()] = "",
) -> Response:
    """Keep the answer as a label; an empty one takes it back."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    labels = answer_with(caller.space, sha256, classifier, label)
    return (
        JSONResponse({"labels": labels}) if wants_json(request) else redirect_to(f"/review/labels?{request.url.query}")
    )


def _values(space: Space, found: Mapping[str, Sequence[Uncertain]], chosen: str) -> dict[str, Any]:
    items = found.get(chosen, ())
    written = [each.artifact for each in items if each.kind != "image"]
    labels = sorted({label for each in items for label in each.labels} - {NONE_OF_THESE})
    return {
        "classifiers": list(found),
        "items": items,
        "texts": space.index.first_texts(space.project, written) if written else {},
        "previews": {e.artifact: preview_address(e.artifact, e.media_type, e.size) for e in items if e.kind == "image"},
        "choices": [(label, _KEYS[place] if place < len(_KEYS) else "") for place, label in enumerate(labels)],
        "none": NONE_OF_THESE,
    }
