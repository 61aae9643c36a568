"""Translate a document of a known format: list its passages, or write it with their translations."""

from collections.abc import Callable, Sequence

from media.errors import UnreadableMedia, UnsupportedMedia
from media.plain_text import decode_text
from media.rewriting.language_tags import Languages, with_language
from media.rewriting.passages import MAX_PASSAGES, Passage, TranslatePassages

_MOST_BYTES = 100_000_000
RewriteText = Callable[[str, TranslatePassages], str]
RewriteBytes = Callable[[bytes, TranslatePassages], bytes]
FORMATS = (
    *(".docx", ".pptx", ".xlsx", ".odt", ".odp", ".ods", ".epub", ".html", ".htm", ".xhtml", ".md", ".markdown"),
    *(".srt", ".vtt", ".po", ".pot", ".json", ".arb", ".txt", ".text"),
)
"""Endings of the names of documents that can be translated."""


def outline(data: bytes, ending: str) -> list[Passage]:
    """List the passages of a document. Raises UnsupportedMedia, UnreadableMedia."""
    found: list[Passage] = []

    def collect(passages: Sequence[Passage]) -> Sequence[Passage]:
        found.extend(passages)
        return passages

    _rewriter(data, ending)(data, collect)
    if len(found) > MAX_PASSAGES:
        raise UnsupportedMedia(f"The document has more than {MAX_PASSAGES} passages: split it.")
    return found


def rewrite(data: bytes, ending: str, answers: Sequence[Passage], languages: Languages | None = None) -> bytes:
    """Return a document with the answers in the places of its passages, and with its new language if that is known."""

    def answer(passages: Sequence[Passage]) -> Sequence[Passage]:
        if len(passages) != len(answers):
            raise UnreadableMedia("The document changed while it was translated.")
        return answers

    written = _rewriter(data, ending)(data, answer)
    return with_language(written, ending, languages) if languages else written


def _rewriter(data: bytes, ending: str) -> RewriteBytes:
    if len(data) > _MOST_BYTES:
        raise UnsupportedMedia(f"The document has more than {_MOST_BYTES / 1e6:.0f} MB: split it.")
    if (text := _text_rewriter(ending)) is not None:
        return _of_bytes(text)
    from media.rewriting.packages import epub, office, open_document

    found: dict[str, RewriteBytes] = {
        ".docx": office.rewrite_docx,
        ".pptx": office.rewrite_pptx,
        ".xlsx": office.rewrite_xlsx,
        ".odt": open_document.rewrite_open_document,
        ".odp": open_document.rewrite_open_document,
        ".ods": open_document.rewrite_open_document,
        ".epub": epub.rewrite_epub,
    }
    if ending not in found:
        raise UnsupportedMedia(f"Documents {ending or 'without an ending'} cannot be translated: {_known()}.")
    return found[ending]


def _text_rewriter(ending: str) -> RewriteText | None:
    from media.rewriting import html, markdown, plain, subtitles

    found: dict[str, RewriteText] = {
        ".html": html.rewrite_html,
        ".htm": html.rewrite_html,
        ".xhtml": html.rewrite_html,
        ".md": markdown.rewrite_markdown,
        ".markdown": markdown.rewrite_markdown,
        ".srt": subtitles.rewrite_subtitles,
        ".vtt": subtitles.rewrite_subtitles,
        ".po": plain.rewrite_gettext,
        ".pot": plain.rewrite_gettext,
        ".json": plain.rewrite_json,
        ".arb": plain.rewrite_json,
        ".txt": plain.rewrite_text,
        ".text": plain.rewrite_text,
    }
    return found.get(ending)


def _of_bytes(rewrite_text: RewriteText) -> RewriteBytes:
    """Decode a text, rewrite it, and encode it as UTF-8 with the line ends that it had."""

    def rewritten(data: bytes, translate: TranslatePassages) -> bytes:
        text, _ = decode_text(data)
        has_returns = "\r\n" in text
        answer = rewrite_text(text.replace("\r\n", "\n"), translate)
        return (answer.replace("\n", "\r\n") if has_returns else answer).encode()

    return rewritten


def _known() -> str:
    return f"use {', '.join(ending[1:] for ending in FORMATS)}"
