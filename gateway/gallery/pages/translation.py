"""The page that translates: a text at once, or a document in a job."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from flows.library.translation.documents import PassageDoubt
from flows.running.errors import EXPECTED
from gateway.errors import GatewayError
from gateway.gallery.page import PageRenderer
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Caller, Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.libretranslate.answers import Asked, translate_texts
from gateway.http.libretranslate.files import translate_upload
from media.rewriting.rewrite import FORMATS
from modalities.translation.detection import detect_language
from modalities.translation.routes import list_sources

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)


@dataclass(frozen=True)
class _Shown:
    """What the page shows: the form as it was sent, and what came of it."""

    text: str = ""
    source: str = ""
    target: str = ""
    said: str = ""
    doubts: tuple[str, ...] = ()
    places: tuple[PassageDoubt, ...] = ()
    download: str = ""
    name: str = ""
    error: str = ""
    detected: str = field(default="")


@router.get("/translation")
async def show_form(request: Request, caller: Viewer) -> Response:
    """Show the empty form."""
    return _page(request, caller, _Shown())


@router.post("/translation")
@starts_no_job  # a text is answered at once; a document's job is admitted when it is started
async def submit(
    request: Request,
    caller: Viewer,
    target: Annotated[str, Form(max_length=12)],
    text: Annotated[str, Form(max_length=100_000)] = "",
    source: Annotated[str, Form(max_length=12)] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Translate the text, or the document if there is one, and show what came out."""
    asked = _Shown(text=text.replace("\r\n", "\n"), source=source, target=target)
    try:
        if file is not None and file.filename:
            shown = await _document(caller, asked, file)
        else:
            shown = await _text(caller, asked)
    except (*EXPECTED, GatewayError, HTTPException) as error:
        sentence = str(error.detail) if isinstance(error, HTTPException) else str(error)
        return _page(request, caller, _Shown(asked.text, source, target, error=sentence), status=422)
    return _page(request, caller, shown)


async def _text(caller: Caller, asked: _Shown) -> _Shown:
    known = list_sources(caller.space.catalogue)
    detected = "" if asked.source else await run_in_threadpool(detect_language, asked.text, known)
    [said] = await translate_texts(caller, [Asked(asked.text, asked.source or detected, "text")], asked.target, 0)
    return _Shown(asked.text, asked.source, asked.target, said.text, said.doubts, detected=detected)


async def _document(caller: Caller, asked: _Shown, file: UploadFile) -> _Shown:
    made = await translate_upload(caller, file, asked.source, asked.target)
    return replace(
        asked,
        text="",
        places=tuple(made.report.doubts),
        download=f"/download_file/{made.file_name}",
        name=made.report.name,
    )


def _page(request: Request, caller: Caller, shown: _Shown, status: int = 200) -> Response:
    languages = caller.services.languages
    names = {each.code: each.name for each in languages}
    return PageRenderer(request, caller.person).page(
        "translation.html",
        current="translation",
        status=status,
        shown=shown,
        languages=languages,
        detected=names.get(shown.detected, shown.detected),
        accepted=",".join(FORMATS),
    )
