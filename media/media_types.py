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
    "HEIF": ("image/heic", set()),  # empty: no label of magika is a reason to doubt; it is shown by a copy only
    "JXL": ("image/jxl", set()),
    "JPEG2000": ("image/jp2", set()),
    "PSD": ("image/vnd.adobe.photoshop", set()),
    "ICO": ("image/vnd.microsoft.icon", set()),
    "PPM": ("image/x-portable-anymap", set()),
}
IMAGE_FORMATS = [name for name in IMAGE_TYPES if name != "MPO"]  # which Pillow opens as JPEG
RAW_EXTENSIONS = {
    ".dng": "image/x-adobe-dng",
    ".nef": "image/x-nikon-nef",
    ".cr2": "image/x-canon-cr2",
    ".cr3": "image/x-canon-cr3",
    ".arw": "image/x-sony-arw",
    ".raf": "image/x-fuji-raf",
    ".orf": "image/x-olympus-orf",
    ".rw2": "image/x-panasonic-rw2",
    ".pef": "image/x-pentax-pef",
}
RENDERED_TYPES = frozenset(name for name, labels in IMAGE_TYPES.values() if not labels)
"""Pictures that browsers and models do not decode: they are shown and embedded by a copy in sRGB."""
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
    (rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|II\*\x00|MM\x00\*", "image"),
    (rb"GIF8[79]a|BM.{4}\x00{4}|8BPS\x00[\x01\x02]|\x00\x00\x01\x00[\x01-\xff]\x00|P[456]\s+(#[^\n]*\n)?\d", "image"),
    (rb"....ftyp(avi[fs]|hei[cxms]|hev[cxms]|mif[123]|msf1|miaf|crx )", "image"),
    (rb"\xff\x0a|\x00\x00\x00\x0c(JXL|jP ) \r\n\x87\n|\xff\x4f\xff\x51", "image"),
    (rb"FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\x00|FOVb", "image"),
    (
        rb"RIFF....(WAVE|AVI )|RF64|fLaC|OggS|ID3|\xff[\xe2-\xfb\xf1\xf9]|....ftyp|\x1aE\xdf\xa3|FORM....AIF",
        "speech",
    ),
    (rb"caff|\.snd|#!AMR|FLV\x01|\x0bw|\x30\x26\xb2\x75|\x00\x00\x01\xba|riff\x2e\x91", "speech"),
    (rb"\x7fELF|PK\x03\x04|PK\x05\x06|\x1f\x8b|7z\xbc\xaf|Rar!\x1a|BZh\d1AY|\xfd7zXZ|\x28\xb5\x2f\xfd", "refused"),
    (rb"MZ.{0,1024}\x00|[\xca\xce\xcf\xfe]\xfe|\xd0\xcf\x11\xe0|SQLite format 3|\x80[\x02-\x05]", "refused"),
)
