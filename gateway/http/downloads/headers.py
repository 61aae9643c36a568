"""Headers of downloads: what browsers save, and what they may cache for ever."""

from typing import Literal
from urllib.parse import quote


def attachment(name: str) -> dict[str, str]:
    """Return the headers by which browsers save a download under this name, whatever its bytes look like."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }


def immutable(caches: Literal["private", "public"] = "private") -> dict[str, str]:
    """Return the header by which caches keep an answer for a year, because its address has a hash of its content.

    `private`: the browser of the person alone, since the answer needs a token.
    """
    return {"Cache-Control": f"{caches}, max-age=31536000, immutable"}
