"""Decode plain text, and refuse formats that only look like it: HTML, SVG, scripts, pickles."""

import io
import pickletools
import re
import unicodedata
from functools import cache
from pathlib import Path

from media.errors import UnreadableMedia, UnsupportedMedia

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),  # before UTF-16, whose mark is a prefix of it
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ACTIVE = re.compile(
    r"\A\s*(?:<!--.*?-->\s*)*(?:(?P<XML><\?xml|<!DOCTYPE\s+(?!html))|(?P<SVG><svg[\s>])"
    r"|(?P<HTML><!DOCTYPE\s+html|<(?:html|head|body|script|iframe)[\s>])|(?P<PHP><\?(?:php|=))"
    r"|(?P<script>\#!\s*/)|(?P<RTF>\{\\rtf)|(?P<PostScript>%!PS)|(?P<PDF>%PDF-))",
    re.IGNORECASE | re.DOTALL,
)
_HTML_POLYGLOT = re.compile(r"\A(?:GIF8[79]a|BM).{0,512}<(?:html|script|body)[\s>]", re.IGNORECASE | re.DOTALL)
_MAX_COMBINING_MARKS = 1000
_AFTER_ALL_MARKS = 0x20000
"""Combining characters are in the first two planes of Unicode; to look through all 17 takes a third of a second."""
_MIN_BYTES_TO_GUESS = 64
_MAX_PICKLE_CHARACTERS = 1024 * 1024


def read_text(source: Path | bytes) -> str:
    """Read a text as NFC, with line feeds and without a byte order mark. Raises UnreadableMedia."""
    text, _ = decode_text(source if isinstance(source, bytes) else source.read_bytes())
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def decode_text(data: bytes) -> tuple[str, str]:
    """Decode by byte order mark, else as UTF-8, else by a confident guess; return the text and its encoding.

    Raises UnreadableMedia if none applies, or the text has control characters.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    encoding = marked or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if marked:
            raise UnreadableMedia(
                f"The text is marked as {encoding.removesuffix('-sig').upper()} and has bytes that are not: "
                "save it as UTF-8."
            ) from error
        text, encoding = _guess_encoding(data)
    control = _CONTROL.search(text)
    if control:
        raise UnreadableMedia(
            f"The file is not plain text: it has the control character U+{ord(control.group()):04X} in it."
        )
    if _excessive_marks().search(text):
        # NFC takes quadratic time in their number.
        raise UnreadableMedia(f"The text has more than {_MAX_COMBINING_MARKS} combining marks on one letter.")
    return text, encoding.removesuffix("-sig")


def refuse_active(text: str) -> None:
    """Raise UnsupportedMedia for text that a program would execute or render: HTML, SVG, scripts, pickles."""
    found = _ACTIVE.match(text)
    what = found.lastgroup if found else "HTML" if _HTML_POLYGLOT.match(text) else None
    if what is None and _is_pickle(text):
        what = "Python pickle"
    if what:
        raise UnsupportedMedia(refusal(what))


def refusal(what: str) -> str:
    """Say why a text of a kind is refused. Whole web pages and PDF files are taken, so that this is none of them."""
    if what in ("HTML", "PDF"):
        kind = "web page" if what == "HTML" else what
        return f"The file is part of a {kind}, and no whole one: save the whole, or its words as plain text."
    return f"The file is {what}, which Triptych does not take: save its words as plain text."


def _guess_encoding(data: bytes) -> tuple[str, str]:
    """Decode by charset-normalizer's guess. Raises UnreadableMedia if the text is short or the guess is doubtful."""
    from charset_normalizer import from_bytes

    best = from_bytes(data).best() if len(data) >= _MIN_BYTES_TO_GUESS and b"\x00" not in data else None
    if best is None or best.chaos > 0.05 or best.coherence <= 0:
        raise UnreadableMedia(
            "The text is not in UTF-8, and its encoding cannot be told for certain: save it as UTF-8."
        )
    return str(best), best.encoding


def _is_pickle(text: str) -> bool:
    """Whether the whole text is a protocol 0 pickle; parses its opcodes and executes none."""
    if not text.endswith(".") or len(text) > _MAX_PICKLE_CHARACTERS or not text.isascii():
        return False
    data = io.BytesIO(text.encode())
    try:
        operations = sum(1 for _ in pickletools.genops(data))
    except (ValueError, UnicodeDecodeError, IndexError):
        return False
    return operations > 1 and not data.read(1)


@cache
def _excessive_marks() -> re.Pattern[str]:
    marks = (chr(point) for point in range(0x300, _AFTER_ALL_MARKS) if unicodedata.combining(chr(point)))
    return re.compile(f"[{''.join(marks)}]{{{_MAX_COMBINING_MARKS + 1}}}")
