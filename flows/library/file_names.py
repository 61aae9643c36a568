"""Names of files: how a name that a person or a prompt gave is written to a disk or a key."""

import re
import unicodedata

_RESERVED_SIGNS = re.compile(r'[/\\:*?"<>|\x00]+')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_JOINERS = "\u200c\u200d"  # Persian names and emoji need them
_MAX_BYTES = 240
"""Of a name in UTF-8: file systems allow 255, and programs append to names."""
_MAX_EXTENSION = 16


def file_name(name: str, fallback: str = "unnamed") -> str:
    """Return a name that is one file in a folder on every common system: no path, no signs that mean something.

    The words stay as they are; the extension stays when the rest has to be cut.
    """
    whole = unicodedata.normalize("NFC", name)
    kept = "".join(c for c in whole if unicodedata.category(c)[0] != "C" or c in _JOINERS)
    kept = " ".join(_RESERVED_SIGNS.sub("-", kept).split()).strip(". -") or fallback
    if _DEVICES.fullmatch(kept):
        kept = f"_{kept}"
    stem, dot, extension = kept.rpartition(".")
    if not stem or len(extension.encode()) > _MAX_EXTENSION:
        stem, dot, extension = kept, "", ""
    cut = stem.encode()[: _MAX_BYTES - len(extension.encode()) - len(dot)].decode(errors="ignore").rstrip(". ")
    return f"{cut}{dot}{extension}"
