"""Write and read the generation metadata of a picture, which says how it was generated.

A PNG has two text chunks. `parameters` is the text that picture tools show, in the form of AUTOMATIC1111's web UI: the
prompt, the negative prompt, then "name: value" pairs. `triptych` is JSON with every setting. JPEG and WebP have both in
their EXIF, as UserComment and ImageDescription. Neither contains a time, so equal requests give equal bytes.
"""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_PARAMETERS = "parameters"
_METADATA = "triptych"
_FORMATS = ("PNG", "JPEG", "WEBP")
_DESCRIPTION, _EXIF_IFD, _COMMENT = 0x010E, 0x8769, 0x9286
_UNICODE = b"UNICODE\x00"
_MAX_EXIF_BYTES = 65_000
"""A JPEG segment has at most 65,533 bytes."""
_DECODE_ERRORS = (KeyError, TypeError, SyntaxError, ValueError, RecursionError)


def encode_png(image: "Image", parameters: str, metadata: Mapping[str, Any]) -> bytes:
    """Encode a picture as PNG with both chunks. Equal arguments give equal bytes; `metadata` is JSON-serialisable."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text(_PARAMETERS, parameters)
    chunks.add_text(_METADATA, json.dumps(metadata, sort_keys=True))
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def exif_of(png: bytes) -> bytes:
    """Return the generation metadata of a PNG as EXIF, for the same picture in another format; empty without any."""
    from PIL import Image

    texts = _read_texts(png)
    exif = Image.Exif()
    if _METADATA in texts:
        exif[_DESCRIPTION] = texts[_METADATA].encode()
    if _PARAMETERS in texts:
        exif.get_ifd(_EXIF_IFD)[_COMMENT] = _UNICODE + texts[_PARAMETERS].encode("utf-16-be")
    data = exif.tobytes() if texts else b""
    return data if len(data) <= _MAX_EXIF_BYTES else b""


def read_generation_metadata(picture: Path | bytes) -> dict[str, Any] | None:
    """Read the `triptych` metadata of a PNG, JPEG or WebP; None for any other file, and for a picture without it."""
    try:
        metadata = json.loads(_read_texts(picture)[_METADATA])
    except _DECODE_ERRORS:
        return None
    return metadata if isinstance(metadata, dict) else None


def read_prompt(picture: Path | bytes) -> str | None:
    """Return the prompt of a picture that was generated here, or by another tool that writes `parameters`; or None."""
    metadata = read_generation_metadata(picture) or {}
    request = metadata.get("request")
    if isinstance(request, dict) and isinstance(request.get("prompt"), str):
        return request["prompt"]
    parameters = _read_texts(picture).get(_PARAMETERS, "")
    return re.split(r"\n(?:Negative prompt|Steps): ", f"\n{parameters}", maxsplit=1)[0].strip() or None


def _read_texts(picture: Path | bytes) -> dict[str, str]:
    """Read the texts of a picture by their names in a PNG; empty for any other file."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=_FORMATS) as image:
            if image.format == "PNG":
                found: dict[str, Any] = {name: image.info.get(name) for name in (_PARAMETERS, _METADATA)}
            else:
                exif = image.getexif()
                found = {_METADATA: exif.get(_DESCRIPTION), _PARAMETERS: exif.get_ifd(_EXIF_IFD).get(_COMMENT)}
    except (*_DECODE_ERRORS, Image.DecompressionBombError):
        return {}
    except Image.UnidentifiedImageError:  # any other OSError is a failure to read the file
        return {}
    return {name: _text(value) for name, value in found.items() if value}


def _text(value: object) -> str:
    """Decode a value of EXIF; UserComment begins with the name of its encoding."""
    if isinstance(value, str):  # Pillow decodes ASCII fields as Latin-1
        return value.encode("latin-1", "replace").decode("utf-8", "replace").strip("\x00")
    if not isinstance(value, bytes):
        return ""
    if value.startswith(_UNICODE):
        return value.removeprefix(_UNICODE).decode("utf-16-be", "replace")
    return value.removeprefix(b"ASCII\x00\x00\x00").decode("utf-8", "replace").strip("\x00")


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
