"""Files are identified by their content, or refused with a reason; nothing in them is executed."""

import io
import pickle
import struct
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from media.errors import UnreadableMedia, UnsupportedMedia
from media.identify import CAPS, Caps, identify, read_text, safe_name

REJECTED = "rejected"
HOSTILE = {
    "text_rtl_override.txt": "text/plain",
    "wav_zero_channels.wav": REJECTED,
    "huge_header_2e9.png": REJECTED,
    "silence_10s.wav": "audio/wav",
    "billion_laughs.svg": REJECTED,
    ".. .txt": "text/plain",
    "not_an_image.jpg": REJECTED,
    "stereo_48k.wav": "audio/wav",
    "text_1MB_one_word.txt": "text/plain",
    "cmyk.jpg": "image/jpeg",
    "one_pixel.png": "image/png",
    "empty.wav": REJECTED,
    "tiny_10_samples.wav": "audio/wav",
    "bomb_20000x20000_gray.png": REJECTED,
    "truncated_header.jpg": REJECTED,
    "ztxt_bomb_60MB.png": REJECTED,
    "bitflips.jpg": REJECTED,
    "gray.jpg": "image/jpeg",
    "palette.gif": "image/gif",
    "flac_truncated.flac": "audio/flac",
    "png_named_mp3.mp3": "image/png",
    "gray16.png": "image/png",
    "text_zalgo.txt": "text/plain",
    "wide_30000x2.png": REJECTED,
    "clipped_tone.wav": "audio/wav",
    "text_utf16.txt": "text/plain",
}


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, kind, **options)
    return file.getvalue()


def sound(channels: int = 1, frames: int = 8000, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(2 * channels * frames))
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header gives a size that its data does not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A picture with a comment of 60 MB, compressed."""
    whole = picture()
    comment = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(60_000_000), 9))
    return whole[:33] + comment + whole[33:]


def archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archived:
            archived.writestr("photo.png", picture())
    else:
        with tarfile.open(fileobj=file, mode="w:gz") as archived:
            archived.addfile(tarfile.TarInfo("photo.png"))
    return file.getvalue()


def written(folder: Path, data: bytes, name: str = "upload") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def outcome(path: Path, name: str) -> str:
    """The media type, or that the file was rejected with one sentence."""
    try:
        return identify(path, name).media_type
    except (UnsupportedMedia, UnreadableMedia) as error:
        reason = str(error)
    is_a_sentence = reason.endswith(".") and len(reason) < 200 and str(path) not in reason
    return REJECTED if is_a_sentence else reason


@pytest.mark.shared_data
def test_every_hostile_file_is_identified_or_refused_as_expected(shared_data: Path) -> None:
    files = [path for path in (shared_data / "hostile").iterdir() if path.name != "manifest.json"]
    assert {path.name: outcome(path, path.name) for path in files} == HOSTILE


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(picture("PNG"), "image/png", id="png"),
        pytest.param(picture("JPEG"), "image/jpeg", id="jpeg"),
        pytest.param(picture("WEBP"), "image/webp", id="webp"),
        pytest.param(picture("GIF"), "image/gif", id="gif"),
        pytest.param(picture("BMP"), "image/bmp", id="bmp"),
        pytest.param(picture("TIFF"), "image/tiff", id="tiff"),
        pytest.param(picture("AVIF"), "image/avif", id="avif"),
        pytest.param(sound(), "audio/wav", id="wav"),
        pytest.param(sound(channels=2, frames=10), "audio/wav", id="ten samples"),
        pytest.param("Grüße aus Köln.\n".encode(), "text/plain", id="utf-8"),
        pytest.param("Grüße aus Köln.\n".encode("utf-8-sig"), "text/plain", id="utf-8 with mark"),
        pytest.param("Grüße aus Köln.\n".encode("utf-16"), "text/plain", id="utf-16"),
        pytest.param("Grüße aus Köln.\n".encode("utf-32"), "text/plain", id="utf-32"),
        pytest.param(b"# A page\n\nAbout the tag <b> and 1 < 2.\n", "text/plain", id="text about markup"),
        pytest.param(b"BMW builds cars. MZ built motorcycles.\n", "text/plain", id="text like a signature"),
        pytest.param(b"Nobody knows.", "text/plain", id="a sentence that ends like a pickle"),
        pytest.param(b"", REJECTED, id="empty"),
        pytest.param(b" \n\t ", REJECTED, id="blank"),
        pytest.param(picture("JPEG", (400, 300))[:2000], REJECTED, id="truncated jpeg"),
        pytest.param(picture("PNG", (400, 300))[:300], REJECTED, id="truncated png"),
        pytest.param(png_of_size(20_000, 20_000), REJECTED, id="400 million pixels"),
        pytest.param(png_of_size(2_000_000_000, 2_000_000_000), REJECTED, id="absurd header"),
        pytest.param(png_of_size(70_000, 2000), REJECTED, id="side too long"),
        pytest.param(picture("PNG", (2000, 20)), REJECTED, id="extreme aspect"),
        pytest.param(text_bomb(), REJECTED, id="text chunk bomb"),
        pytest.param(b"GIF89a/*<html><script>alert(1)</script></html>*/=1;", REJECTED, id="gif and html"),
        pytest.param(b"<html><script>alert(1)</script></html>", REJECTED, id="html"),
        pytest.param(b"\n<!-- x --><!DOCTYPE html><p>Hello", "text/html", id="html after a comment"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', REJECTED, id="svg"),
        pytest.param(b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "b">]><l>&a;</l>', REJECTED, id="xml entities"),
        pytest.param(b"#!/bin/sh\nrm -rf ~\n", REJECTED, id="shell script"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "text/plain", id="playlist is only text"),
        pytest.param(pickle.dumps({"a": [1, 2]}, protocol=0), REJECTED, id="text pickle"),
        pytest.param(pickle.dumps({"a": [1, 2]}, protocol=4), REJECTED, id="binary pickle"),
        pytest.param(b"\x7fELF\x02\x01\x01" + bytes(100), REJECTED, id="elf"),
        pytest.param(b"MZ\x90\x00\x03" + bytes(100), REJECTED, id="windows program"),
        pytest.param(archive("zip"), REJECTED, id="zip"),
        pytest.param(archive("tar"), REJECTED, id="tar.gz"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", REJECTED, id="pdf"),
        pytest.param(b"Gr\xfc\xdfe", REJECTED, id="too short to guess its encoding"),
        pytest.param(b"\xff\xfeh\x00e\x00\x00\xd8", REJECTED, id="broken utf-16"),
        pytest.param(b"a\x1b]0;title\x07", REJECTED, id="terminal escapes"),
        pytest.param(b"a" + "\u0301\u0323".encode() * 20_000, REJECTED, id="a tower of accents"),
        pytest.param(bytes(range(256)) * 20, REJECTED, id="any bytes"),
    ],
)
def test_the_content_decides_the_type(tmp_path: Path, data: bytes, expected: str) -> None:
    assert outcome(written(tmp_path, data), "upload.txt") == expected


def test_a_recording_without_channels_is_unreadable(tmp_path: Path) -> None:
    broken = bytearray(sound())
    broken[22:24] = b"\0\0"
    with pytest.raises(UnreadableMedia, match="channels"):
        identify(written(tmp_path, bytes(broken)), "silent.wav")


def test_a_picture_with_the_name_of_a_sound_is_a_picture(tmp_path: Path) -> None:
    facts = identify(written(tmp_path, picture(), "song.mp3"), "song.mp3")
    assert (facts.kind, facts.media_type) == ("image", "image/png")


def test_each_kind_has_its_properties(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = identify(written(tmp_path, picture("JPEG", (40, 30), exif=exif)), "photo.jpg")
    assert image.properties == {"width": 30, "height": 40, "animated": False, "orientation": 6}
    speech = identify(written(tmp_path, sound(channels=2, frames=24_000, rate=48_000)), "talk.wav")
    assert speech.properties == {
        "duration_seconds": 0.5,
        "channels": 2,
        "sample_rate": 48_000,
        "codec": "pcm_s16le",
        "has_video": False,
    }
    text = identify(written(tmp_path, "Eins\nZwei".encode("utf-16")), "notes.md")
    assert text.media_type == "text/markdown"
    assert text.properties == {"encoding": "utf-16", "characters": 9, "lines": 2}


def test_a_file_beyond_a_cap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="longer than"):
        identify(written(tmp_path, sound(frames=32_000)), "a.wav", CAPS.model_copy(update={"sound_seconds": 1.0}))
    with pytest.raises(UnsupportedMedia, match="more than"):
        identify(written(tmp_path, b"long " * 10), "a.txt", CAPS.model_copy(update={"text_bytes": 10}))
    with pytest.raises(UnsupportedMedia, match="GB"):
        identify(written(tmp_path, b"long " * 10), "a.txt", Caps(bytes=10))
    with pytest.raises(UnsupportedMedia, match="40 × 30"):
        identify(written(tmp_path, picture()), "a.png", CAPS.model_copy(update={"image_pixels": 1000}))


def test_text_is_read_as_nfc_with_line_feeds() -> None:
    assert read_text("\ufeffCafe\u0301\r\nzu\rEnde".encode()) == "Café\nzu\nEnde"


def test_a_legacy_encoding_is_read_if_the_guess_is_confident() -> None:
    german = "Die Kantige Berberitze blüht im Mai, im Herbst erscheinen rote, eßbare Früchte, größer als üblich. "
    assert read_text((german * 3).encode("cp1252")) == german * 3


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("invoice_\u202egpj.exe", "invoice_gpj.exe"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\photo.jpg", "photo.jpg"),
        ("new\nline\x00.txt", "newline.txt"),
        ("", "unnamed"),
        (".. .", "unnamed"),
        ("Übersicht 2024.pdf", "Übersicht 2024.pdf"),
        ("a" * 300 + ".wav", "a" * 196 + ".wav"),
    ],
)
def test_a_file_name_is_sanitised(claimed: str, shown: str) -> None:
    assert safe_name(claimed) == shown
