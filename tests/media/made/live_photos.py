"""Live photos made for tests: Apple's pairs of files, and Google's motion photos."""

import io
import struct
from pathlib import Path

from PIL import Image

from tests.media.made.films import Colour, film
from tests.media.made.pictures import heic

CONTAINER = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"
 xmlns:Container="http://ns.google.com/photos/1.0/container/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><Container:Directory><rdf:Seq>
<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0"/></rdf:li>
<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="GainMap" Item:Length="3"/></rdf:li>
<rdf:li><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{length}"/></rdf:li>
</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""
MICRO_VIDEO = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideo="1"
 GCamera:MicroVideoOffset="{length}"/></rdf:RDF></x:xmpmeta>"""


def apple_exif(identifier: str) -> bytes:
    """Exif with an Apple maker note: a directory of one other entry and the content identifier."""
    text = identifier.encode() + b"\0"
    entries = struct.pack(">HHII", 1, 9, 1, 14) + struct.pack(">HHII", 0x11, 2, len(text), 16 + 24 + 4)
    tags = Image.Exif()
    tags.get_ifd(0x8769)[0x927C] = b"Apple iOS\0\0\x01MM" + struct.pack(">H", 2) + entries + bytes(4) + text
    return tags.tobytes()


def apple_live_photo(
    folder: Path, image: Image.Image, identifier: str, scenes: list[Colour | Image.Image]
) -> list[Path]:
    """Write the HEIC picture and the film of a live photo."""
    still, key = folder / "IMG_0417.HEIC", "com.apple.quicktime.content.identifier"
    still.write_bytes(heic(image, exif=apple_exif(identifier)))
    return [still, film(folder / "IMG_0417.MOV", scenes, codec="libx264", metadata={key: identifier})]


def motion_photo(image: Image.Image, appended: bytes, xmp: str = CONTAINER) -> bytes:
    """A JPEG with a film after it, as Android phones write it."""
    file = io.BytesIO()
    image.save(file, "JPEG", xmp=xmp.format(length=len(appended)).encode())
    return file.getvalue() + b"map" + appended
