"""Translate a document, and store it in the other language with its formatting."""

import asyncio
import mimetypes
from pathlib import PurePath
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.inputs import InputArtifact, resolve_input
from flows.library.markdown import download_links
from flows.library.translation.documents import (
    PassageDoubt,
    TranslatedDocument,
    doubts_with_texts,
    translate_document,
)
from flows.running.content_forms import Document
from flows.running.context import RunContext
from flows.running.prefect_context import run_as_flow
from flows.translate_text import translation_page
from storage.artifacts import Artifact
from storage.records import ArtifactRecord

LABEL = "translation"
_MEDIA_TYPES = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".epub": "application/epub+zip",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".md": "text/markdown",
}


class DocumentReport(BaseModel):
    """The document in the other language, and the passages, from 0, whose translation may be wrong."""

    artifact: Artifact
    name: str
    source: str
    target: str
    passages: int
    doubts: list[PassageDoubt] = []

    def __str__(self) -> str:
        doubtful = len({doubt.line for doubt in self.doubts})
        return (
            f"{self.name}: {self.passages} passages from {self.source} to {self.target}, {doubtful} of them doubtful."
        )


@flow(name="translate-document")
async def translate_stored_document(document: Document) -> State[Any]:
    """Translate a document into another language; its formatting stays."""
    return await run_as_flow(document.project, lambda context: translate_file(context, document))


async def translate_file(context: RunContext, document: Document) -> DocumentReport:
    """Read the document, translate its passages, write it anew, and record it beside the original."""
    found = await asyncio.to_thread(resolve_input, context.space, document.document)
    name = document.name or found.name
    data = await asyncio.to_thread(context.space.store.get, found.artifact)
    ending = PurePath(name).suffix.lower()
    translated = await translate_document(context, data, ending, document.source, document.target)
    new_name = translated_name(name, document.target)
    artifact = await asyncio.to_thread(_store, context, translated, new_name, found, document.target)
    page = translation_page(translated.source, document.target, translated.passages, translated.doubts)
    links = await asyncio.to_thread(download_links, context.space, [(new_name, artifact)])
    await context.show("translation", f"{links}\n\n{page}")
    return DocumentReport(
        artifact=artifact,
        name=new_name,
        source=translated.source,
        target=document.target,
        passages=len(translated.passages),
        doubts=doubts_with_texts(translated.passages, translated.doubts),
    )


def translated_name(name: str, target: str) -> str:
    """Return report.de.docx for report.docx."""
    path = PurePath(name)
    return f"{path.stem}.{target}{path.suffix}"


def media_type_of(name: str) -> str:
    """Return the media type of a document by the ending of its name."""
    ending = PurePath(name).suffix.lower()
    return _MEDIA_TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _store(
    context: RunContext, translated: TranslatedDocument, name: str, original: InputArtifact, target: str
) -> Artifact:
    """Store the document; record it as a child of the original if the library has that."""
    artifact = context.space.store.put(translated.data, media_type_of(name))
    if original.record:
        context.space.records.add(
            ArtifactRecord(
                artifact=artifact,
                project=context.space.project,
                name=name,
                parents=(original.artifact.sha256,),
                labels=(LABEL,),
                properties={"language": target, "findable": False},
            )
        )
    return artifact
