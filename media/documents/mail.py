"""Read e-mails: subject, persons, words and attached pictures. Nothing that they point to is fetched."""

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from media.documents.document import Document, cleaned
from media.documents.web_page import html_sections
from media.errors import UnreadableMedia
from media.facts import Property

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_FIRST_LINE = re.compile(rb"\A(?:From [^\n]+\n)?[A-Za-z][A-Za-z0-9-]{1,60}:[ \t]?[^\n]*\n")
_SURE = re.compile(rb"^(?:Message-ID|MIME-Version|Received|Return-Path|DKIM-Signature):", re.IGNORECASE | re.MULTILINE)
_MAX_PARTS = 200


def is_mail(head: bytes, name: str) -> bool:
    """Whether a file is an e-mail: it begins with header lines, among them one that only mails have."""
    head = head.replace(b"\r\n", b"\n")
    if not _FIRST_LINE.match(head):
        return False
    headers = head.partition(b"\n\n")[0]
    return bool(_SURE.search(headers)) or (name.lower().endswith(".eml") and b"\nSubject:" in b"\n" + headers)


def mail_properties(path: Path) -> dict[str, Property]:
    """Return subject, sender and time. Raises UnreadableMedia."""
    message = _parsed(path)
    properties: dict[str, Property] = {}
    for key, header in (("title", "Subject"), ("author", "From")):
        if value := cleaned(str(message.get(header, ""))):
            properties[key] = value[:200]
    when = getattr(message.get("Date"), "datetime", None)
    return properties | ({"written": when.isoformat()} if when else {})


def read_mail(path: Path, document: Document) -> None:
    """Read a mail into a document. Raises UnreadableMedia."""
    message = _parsed(path)
    lines = [f"{header}: {message[header]}" for header in _SHOWN if message[header]]
    body = message.get_body(preferencelist=("plain", "html"))
    document.add_text("", "\n".join(lines) + "\n\n" + (_words(body) if isinstance(body, EmailMessage) else ""))
    for number, part in enumerate(message.walk()):
        if number > _MAX_PARTS:
            document.cut = f"The first {_MAX_PARTS} parts are found."
            break
        _read_attachment(part, body, document)


def _read_attachment(part: object, body: object, document: Document) -> None:
    if part is body or not isinstance(part, EmailMessage) or part.is_multipart():
        return
    name = str(part.get_filename() or "")
    if part.get_content_maintype() == "image":
        data = part.get_payload(decode=True)
        if isinstance(data, bytes):
            document.add_picture(data, name=name)
    elif name:
        text = _words(part) if part.get_content_maintype() == "text" else ""
        document.add_text("", f"{name}\n\n{text}".strip())


def _words(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    if part.get_content_subtype() == "html":
        return "\n\n".join(html_sections(_page_in_utf8(data, part.get_content_charset(""))))
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # an encoding that nobody knows
        return data.decode("utf-8", "replace")


def _page_in_utf8(data: bytes, charset: str) -> bytes:
    """Convert a page from the declared encoding of its part to UTF-8; unchanged if that is missing or wrong."""
    try:
        return data.decode(charset).encode() if charset else data
    except (UnicodeError, LookupError):
        return data


def _parsed(path: Path) -> EmailMessage:
    try:
        with path.open("rb") as file:
            message = BytesParser(policy=policy.default).parse(file)
    except (ValueError, LookupError, IndexError, TypeError, RecursionError) as error:
        raise UnreadableMedia("The mail cannot be read: its data is broken.") from error
    return message
