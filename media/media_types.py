"""The accepted file types: signatures, names in the decoding libraries, and media types."""

from typing import Literal

Family = Literal["image", "speech", "refused"]
IMAGE_TYPES = {
    "JPEG": ("image/jpeg", {"jpeg"}),
    "MPO": ("image/jpeg", {"jpeg"}),  # a JPEG with a second picture, as phones write
    "PNG": ("image/png", {"png"}),
    "GIF": ("image/gif", {"gif"}),
    "WEBP": ("image/webp", {"webp"}),
    "BMP": ("image/bmp", {"bmp"}),
    "TIFF": ("image/tiff", {"tiff"}),
    "AVIF": ("image/avif", {"avif", "heif", "mp4"}),  # magika knows the container only
}
IMAGE_FORMATS = [name for name in IMAGE_TYPES if name != "MPO"]  # which Pillow opens as JPEG
SOUND_TYPES = {
    "wav": ("audio/wav", "audio/wav"),
    "w64": ("audio/x-w64", "audio/x-w64"),
    "aiff": ("audio/aiff", "audio/aiff"),
    "au": ("audio/basic", "audio/basic"),
    "caf": ("audio/x-caf", "audio/x-caf"),
    "flac": ("audio/flac", "audio/flac"),
    "mp3": ("audio/mpeg", "audio/mpeg"),
    "aac": ("audio/aac", "audio/aac"),
    "ac3": ("audio/ac3", "audio/ac3"),
    "amr": ("audio/amr", "audio/amr"),
    "ogg": ("audio/ogg", "video/ogg"),
    "mov": ("audio/mp4", "video/mp4"),
    "matroska": ("audio/webm", "video/webm"),
    "avi": ("audio/x-msvideo", "video/x-msvideo"),
    "mpeg": ("audio/mpeg", "video/mpeg"),
    "mpegts": ("audio/mp2t", "video/mp2t"),
    "asf": ("audio/x-ms-wma", "video/x-ms-wmv"),
    "flv": ("audio/x-flv", "video/x-flv"),
}
TEXT_TYPES = {".md": "text/markdown", ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".vtt": "text/vtt"}
SIGNATURES: tuple[tuple[bytes, Family], ...] = (
    (rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|II\*\x00|MM\x00\*|....ftypavi[fs]", "image"),
    (rb"GIF8[79]a|BM.{4}\x00{4}", "image"),
    (
        rb"RIFF....(WAVE|AVI )|RF64|fLaC|OggS|ID3|\xff[\xe2-\xfb\xf1\xf9]|....ftyp|\x1aE\xdf\xa3|FORM....AIF",
        "speech",
    ),
    (rb"caff|\.snd|#!AMR|FLV\x01|\x0bw|\x30\x26\xb2\x75|\x00\x00\x01\xba|riff\x2e\x91", "speech"),
    (rb"\x7fELF|PK\x03\x04|PK\x05\x06|\x1f\x8b|7z\xbc\xaf|Rar!\x1a|BZh\d1AY|\xfd7zXZ|\x28\xb5\x2f\xfd", "refused"),
    (rb"MZ.{0,1024}\x00|[\xca\xce\xcf\xfe]\xfe|\xd0\xcf\x11\xe0|SQLite format 3|\x80[\x02-\x05]", "refused"),
)
