"""Write and read the generation metadata of a PNG: two text chunks that say how the picture was generated.

`parameters` is the text that picture tools show: the prompt, the negative prompt, then "name: value" pairs. `triptych`
is JSON with every setting. Neither contains a time, so equal requests give equal bytes.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_PARAMETERS = "parameters"
_METADATA = "triptych"


def encode_png(image: "Image", parameters: str, metadata: Mapping[str, Any]) -> bytes:
    """Encode a picture as PNG with both chunks. Equal arguments give equal bytes; `metadata` is JSON-serialisable."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text(_PARAMETERS, parameters)
    chunks.add_text(_METADATA, json.dumps(metadata, sort_keys=True))
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def read_generation_metadata(picture: Path | bytes) -> dict[str, Any] | None:
    """Read the `triptych` chunk of a PNG; None for any other file, and for a PNG without the chunk."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=["PNG"]) as image:
            metadata = json.loads(image.info[_METADATA])
    except (KeyError, TypeError, SyntaxError, ValueError, RecursionError, Image.DecompressionBombError):
        return None
    except Image.UnidentifiedImageError:  # any other OSError is a failure to read the file
        return None
    return metadata if isinstance(metadata, dict) else None


def format_parameters(prompt: str, negative_prompt: str, settings: Mapping[str, object]) -> str:
    """Format the text of the `parameters` chunk: prompt, negative prompt if any, and the settings in order."""
    negative = [f"Negative prompt: {negative_prompt}"] if negative_prompt else []
    return "\n".join(
        [prompt, *negative, ", ".join(f"{name}: {_format_value(value)}" for name, value in settings.items())]
    )


def _format_value(value: object) -> str:
    """Quote a value that contains separators, so that it is parsed back as one value."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:"\n') else text
