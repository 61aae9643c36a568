"""Recipe text: a PNG says in its text chunks how it was made, once for people and tools, once whole.

`parameters` is the readable form that picture tools show: the prompt, what to avoid, then "name: value" pairs.
`triptych` is JSON with every setting. Neither has a time in it, so equal pictures of equal recipes are equal bytes.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_READABLE = "parameters"
_WHOLE = "triptych"


def png_with_recipe(image: "Image", readable: str, recipe: Mapping[str, Any]) -> bytes:
    """The picture as PNG with both chunks. `recipe` is JSON-able; equal arguments give equal bytes."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text(_READABLE, readable)
    chunks.add_text(_WHOLE, json.dumps(recipe, sort_keys=True))
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def read_recipe(picture: Path | bytes) -> dict[str, Any] | None:
    """The `triptych` chunk of a PNG; None for a picture, or anything else, that carries none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=["PNG"]) as image:
            recipe = json.loads(image.info[_WHOLE])
    except (KeyError, TypeError, SyntaxError, ValueError, RecursionError, Image.DecompressionBombError):
        return None
    except Image.UnidentifiedImageError:  # any other OSError is about the file
        return None
    return recipe if isinstance(recipe, dict) else None


def readable_parameters(prompt: str, negative_prompt: str, settings: Mapping[str, object]) -> str:
    """The text of the `parameters` chunk: up to three lines, the settings in their order."""
    avoided = [f"Negative prompt: {negative_prompt}"] if negative_prompt else []
    return "\n".join([prompt, *avoided, ", ".join(f"{name}: {_value(value)}" for name, value in settings.items())])


def _value(value: object) -> str:
    """Quoted where it would not be read back as one value."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:"\n') else text
