"""Read the fields of a request body that is a form or a JSON object."""

import json
from typing import Any

from fastapi import HTTPException, Request


async def read_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the body; a form field that occurs several times is a list. Raises HTTPException."""
    if request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        form = await request.form()
        values = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
        return {name: found[0] if len(found) == 1 else found for name, found in values.items()}
    body = await request.body()
    try:
        document = json.loads(body) if body else {}
    except ValueError as error:
        raise HTTPException(400, "The body is neither a form nor JSON.") from error
    if not isinstance(document, dict):
        raise HTTPException(400, "The body is no JSON object.")
    return document
