"""Make sixty files of more than thirty formats, and look what each is taken for: `python -m benchmarks.formats`.

Each has to be a picture, film, recording or document as its kind, or to be refused with one true sentence.
"""

import io
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from media.errors import ItemError
from media.facts import CONTENTS
from media.sandbox import Decoders
from tests.media.made.documents import DOCUMENTS, archive, docx
from tests.media.made.films import film, turned_film
from tests.media.made.pictures import display_p3, dng, encoded, half_and_half, heic, psd, turned

SCENES = [(200, 0, 0), (0, 0, 200)]
REFUSED = "refused"


def make_files(folder: Path) -> dict[Path, str]:
    """Write the files; return the media type of each, or that it has to be refused."""
    made = {**_pictures(), **_texts(), **_refused()}
    paths: dict[Path, str] = {}
    for name, (data, media_type) in made.items():
        (folder / name).write_bytes(data)
        paths[folder / name] = media_type
    for name, build in DOCUMENTS.items():
        (folder / name).write_bytes(build())
        paths[folder / name] = _DOCUMENT_TYPES[Path(name).suffix]
    return paths | _films(folder) | _recordings(folder)


def _pictures() -> dict[str, tuple[bytes, str]]:
    both, grey = half_and_half(), half_and_half().convert("L")
    exif = Image.Exif()
    exif[0x0112] = 6
    more = [Image.new("RGB", (64, 48), (25 * number, 0, 0)) for number in range(4)]
    again = {"save_all": True, "append_images": [image.copy() for image in more]}
    floats = np.asarray(both).astype(np.float32)[:, :, ::-1] / 255
    return {
        "IMG_0001.JPG": (encoded(both, "JPEG", exif=exif), "image/jpeg"),
        "progressive.jpeg": (encoded(both, "JPEG", progressive=True), "image/jpeg"),
        "cmyk.jpg": (encoded(both.convert("CMYK"), "JPEG"), "image/jpeg"),
        "wide-gamut.jpg": (encoded(both, "JPEG", icc_profile=display_p3()), "image/jpeg"),
        "two.mpo": (encoded(both, "MPO", save_all=True, append_images=more[:1]), "image/jpeg"),
        "panorama.jpg": (encoded(half_and_half((12_000, 5000)), "JPEG", quality=40), "image/jpeg"),
        "a.png": (encoded(both, "PNG"), "image/png"),
        "transparent.png": (encoded(both.convert("RGBA"), "PNG"), "image/png"),
        "grey16.png": (encoded(Image.fromarray(np.full((48, 64), 30_000, np.uint16)), "PNG"), "image/png"),
        "animated.png": (encoded(both, "PNG", **again), "image/png"),
        "a.gif": (encoded(grey, "GIF"), "image/gif"),
        "animated.gif": (encoded(both.copy(), "GIF", **again), "image/gif"),
        "a.webp": (encoded(both, "WEBP"), "image/webp"),
        "animated.webp": (encoded(both, "WEBP", **again), "image/webp"),
        "a.bmp": (encoded(both, "BMP"), "image/bmp"),
        "a.tiff": (encoded(half_and_half(), "TIFF"), "image/tiff"),
        "lzw.tif": (encoded(half_and_half(), "TIFF", compression="tiff_lzw"), "image/tiff"),
        "fax.tif": (encoded(grey.convert("1"), "TIFF", compression="group4"), "image/tiff"),
        "pages.tiff": (encoded(half_and_half(), "TIFF", **again), "image/tiff"),
        "float.tiff": (_tiff(floats), "image/tiff"),
        "sixteen.tiff": (_tiff((floats * 65_535).astype(np.uint16)), "image/tiff"),
        "a.avif": (encoded(both, "AVIF"), "image/avif"),
        "IMG_0002.HEIC": (heic(both), "image/heic"),
        "IMG_0003.HEIC": (turned(heic(both), 1), "image/heic"),
        "burst.heif": (heic(both, **again), "image/heic"),
        "a.jxl": (encoded(both, "JXL"), "image/jxl"),
        "a.jp2": (encoded(both, "JPEG2000"), "image/jp2"),
        "a.psd": (psd(both), "image/vnd.adobe.photoshop"),
        "a.ico": (encoded(both, "ICO"), "image/vnd.microsoft.icon"),
        "a.ppm": (encoded(both, "PPM"), "image/x-portable-anymap"),
        "DSC_1.dng": (dng(), "image/x-adobe-dng"),
        "DSC_2.dng": (dng(orientation=6), "image/x-adobe-dng"),
    }


def _tiff(pixels: object) -> bytes:
    import cv2

    return cv2.imencode(".tiff", pixels)[1].tobytes()  # pyright: ignore


def _texts() -> dict[str, tuple[bytes, str]]:
    table = "article;price\nkettle;49,50\n"
    western = "Grüße aus Köln, wo der Dom am Rhein steht und die Züge pünktlich sind.\n"
    return {
        "notes.txt": ("Grüße aus Köln.\n".encode(), "text/plain"),
        "windows.txt": (western.encode("cp1252") * 3, "text/plain"),
        "utf16.txt": ("Grüße\n".encode("utf-16"), "text/plain"),
        "README.md": (b"# Title\n\nWords.\n", "text/markdown"),
        "prices.csv": (table.encode(), "text/csv"),
        "talk.vtt": (b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello.\n", "text/vtt"),
    }


def _refused() -> dict[str, tuple[bytes, str]]:
    return {
        "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), REFUSED),
        "any.zip": (archive({"a.txt": "words"}), REFUSED),
        "cut.docx": (docx()[:2000], REFUSED),
        "cut.heic": (heic(half_and_half())[:300], REFUSED),
        "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', REFUSED),
        "program.exe": (b"MZ\x90\x00\x03" + bytes(200), REFUSED),
    }


def _films(folder: Path) -> dict[Path, str]:
    return {
        film(folder / "silent.mp4", SCENES): "video/mp4",
        film(folder / "sound.mp4", SCENES, codec="libx264", sound=True): "video/mp4",
        turned_film(film(folder / "IMG_0004.MOV", [half_and_half((160, 120))], codec="libx264")): "video/mp4",
        film(folder / "silent.mkv", SCENES): "video/x-matroska",
        film(folder / "a.webm", SCENES, codec="libvpx-vp9", sound=True): "video/webm",
        film(folder / "a.avi", SCENES): "video/x-msvideo",
        film(folder / "a.mpg", SCENES, codec="mpeg2video", fps=25): "video/mpeg",
    }


def _recordings(folder: Path) -> dict[Path, str]:
    import av

    tone = (np.sin(np.arange(48_000) / 9) * 9000).astype(np.int16)
    sound = io.BytesIO()
    with wave.open(sound, "wb") as opened:
        opened.setparams((1, 2, 48_000, 0, "NONE", ""))
        opened.writeframes(tone.tobytes())
    (folder / "a.wav").write_bytes(sound.getvalue())
    made = {folder / "a.wav": "audio/wav"}
    for name, codec, media_type in (
        ("a.mp3", "mp3", "audio/mpeg"),
        ("a.flac", "flac", "audio/flac"),
        ("voice.opus", "libopus", "audio/ogg"),
        ("memo.m4a", "aac", "audio/mp4"),
    ):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=48_000, layout="mono")
            size = stream.frame_size or 0
            mixer = av.AudioResampler(format=stream.format, layout="mono", rate=48_000, frame_size=size)
            frame = av.AudioFrame.from_ndarray(tone[None, :], format="s16", layout="mono")
            frame.sample_rate = 48_000
            for piece in [*mixer.resample(frame), None]:
                container.mux(stream.encode(piece))
        made[folder / name] = media_type
    return made


_OFFICE, _OPEN = "application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."
_DOCUMENT_TYPES = {
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".odt": f"{_OPEN}text",
    ".odp": f"{_OPEN}presentation",
    ".ods": f"{_OPEN}spreadsheet",
    ".epub": "application/epub+zip",
    ".html": "text/html",
    ".eml": "message/rfc822",
    ".pdf": "application/pdf",
}


def look(path: Path, decoders: Decoders) -> tuple[str, str]:
    """Return the media type of a file and what is in it, or that it is refused and why."""
    try:
        facts = decoders.identify(path, path.name)
        if CONTENTS not in facts.properties:
            return facts.media_type, ""
        extract, _ = decoders.read(path, facts.media_type)
    except ItemError as refusal:
        return REFUSED, str(refusal)
    counts = {"frames": extract.frames, "passages": extract.passages, "pictures": extract.pictures}
    return facts.media_type, ", ".join(f"{len(found)} {name}" for name, found in counts.items() if found)


def main(report: Callable[[str], None] = print) -> int:
    """Report each file; return how many are not what they should be."""
    decoders, wrong = Decoders(count=1), 0
    with tempfile.TemporaryDirectory(prefix="triptych-formats-") as folder:
        files = make_files(Path(folder))
        for path, expected in files.items():
            found, detail = look(path, decoders)
            wrong += found != expected
            report(f"{'ok   ' if found == expected else 'WRONG'} {path.name:18} {found}  {detail}")
    decoders.close()
    report(f"{len(files)} files of {len({path.suffix.lower() for path in files})} extensions, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
