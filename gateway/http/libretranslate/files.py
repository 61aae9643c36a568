"""/translate_file and /download_file: documents in another language."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from flows.running.content_forms import Document
from flows.translate_document import DocumentReport, media_type_of
from gateway.errors import NotFound, WrongInput
from gateway.forms import fill_form
from gateway.http.access import Caller, Viewer, services_of
from gateway.http.body_limits import SMALL_BYTES, body_limit
from gateway.http.downloads.headers import attachment
from gateway.http.languages import AUTO, known_code
from gateway.http.libretranslate.route import LibreTranslateRoute
from media.rewriting.rewrite import FORMATS
from storage.artifacts import Artifact

router = APIRouter(tags=["LibreTranslate"], route_class=LibreTranslateRoute)
_DEPLOYMENT = "translate-document"
_MOST_BYTES = 100_000_000
_IDENTITY_CHARACTERS = 36
_DOWNLOAD = "download"
"""Key of the object metadata that marks what may be downloaded by whoever knows its name."""


class TranslatedFile(BaseModel):
    """Where the document in the other language can be downloaded for a day, without a key."""

    translatedFileUrl: str  # noqa: N815


@dataclass(frozen=True)
class OfferedFile:
    """A document that can be downloaded at /download_file/FILE_NAME, and the report of its translation."""

    file_name: str
    report: DocumentReport


@router.post("/translate_file")
@body_limit(_MOST_BYTES + SMALL_BYTES)
async def translate_file(
    caller: Viewer,
    request: Request,
    file: Annotated[UploadFile, File(description="docx, pptx, xlsx, odt, epub, html, md, srt, vtt, po, json, txt.")],
    target: Annotated[str, Form(min_length=2, max_length=12)],
    source: Annotated[str, Form(min_length=2, max_length=12)] = AUTO,
) -> TranslatedFile:
    """Translate a document; its formatting stays."""
    language = "" if source == AUTO else known_code(source)
    made = await translate_upload(caller, file, language, known_code(target))
    return TranslatedFile(translatedFileUrl=str(request.url_for("download_file", filename=made.file_name)))


async def translate_upload(caller: Caller, file: UploadFile, source: str, target: str) -> OfferedFile:
    """Translate an uploaded document in a job, and offer the result for a day. Raises WrongInput, HTTPException."""
    name = PurePath(file.filename or "").name
    if PurePath(name).suffix.lower() not in FORMATS:
        raise WrongInput(f"Invalid request: file format not supported: use {', '.join(each[1:] for each in FORMATS)}.")
    data = await file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise HTTPException(413, f"The document has more than {_MOST_BYTES // 1_000_000} MB.")
    stored = await run_in_threadpool(caller.space.store.put, data, media_type_of(name))
    form = fill_form(Document, document=stored.sha256, name=name, source=source, target=target)
    values = {"document": form.model_dump(mode="json") | {"project": caller.project}}
    job = await caller.services.jobs.start(caller.person, caller.project, _DEPLOYMENT, values)
    report = DocumentReport.model_validate(await caller.services.jobs.wait_for_result(caller.project, job.id))
    key = await run_in_threadpool(_offer, caller, report.artifact)
    return OfferedFile(f"{key}.{report.name}", report)


@router.get("/download_file/{filename}")
async def download_file(request: Request, filename: str) -> Response:
    """Download a translated document by the name that nobody can guess."""
    try:
        key = UUID(filename[:_IDENTITY_CHARACTERS])
    except ValueError as error:
        raise WrongInput("Invalid filename") from error
    bucket = services_of(request).platform.bucket
    found = await run_in_threadpool(bucket.stat, f"tmp/{key}")
    if found is None or found.metadata.get(_DOWNLOAD) != "yes":
        raise NotFound("There is no such file, or its day is over.")
    name = filename[_IDENTITY_CHARACTERS + 1 :] or "translation"
    data = await run_in_threadpool(bucket.get, f"tmp/{key}")
    return Response(data, media_type=media_type_of(name), headers=attachment(name))


def _offer(caller: Caller, artifact: Artifact) -> str:
    """Copy a document to where it can be downloaded until temporary objects expire; return its name."""
    key = str(uuid4())
    data = caller.space.store.get(artifact)
    caller.services.platform.bucket.put(f"tmp/{key}", data, metadata={_DOWNLOAD: "yes"})
    return key
