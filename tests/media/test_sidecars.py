"""Sidecars tell when a picture was taken and what is in it."""

from pathlib import Path

import pytest

from media.errors import UnreadableMedia
from media.reading.sidecar import read_sidecar
from tests.media.made.pictures import written

TAKEOUT = b"""{"title": "a.jpg", "description": "On the lake", "photoTakenTime": {"timestamp": "1433154600"},
"geoData": {"latitude": 48.8}, "people": [{"name": "Ada"}, {"name": "Bob"}]}"""
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:CreateDate="2020-01-01T00:00:00"
 exif:DateTimeOriginal="2015-06-01T12:30:00+02:00">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Größe</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>lake</rdf:li><rdf:li>boat</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (TAKEOUT, {"taken": "2015-06-01T10:30:00+00:00", "description": "On the lake", "keywords": "Ada, Bob"}),
        (XMP.encode(), {"title": "Größe", "keywords": "lake, boat", "taken": "2015-06-01T12:30:00+02:00"}),
        (b'{"any": ["other"], "json": 1}', {}),
        (b"<plist/>", {}),
    ],
)
def test_a_sidecar_tells_properties(tmp_path: Path, data: bytes, told: dict[str, str]) -> None:
    assert {each.place: each.text for each in read_sidecar(written(tmp_path, data)).passages} == told


@pytest.mark.parametrize("data", [b'{"photoTakenTime": 7}', b"{", b"no XML"])
def test_what_is_no_sidecar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableMedia):
        read_sidecar(written(tmp_path, data))
