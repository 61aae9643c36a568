"""Fuzz the decoders with mutants of valid files: `python -m benchmarks.fuzz [--count 10000] [--seed 1]`.

A mutant is a valid picture, recording or text with flipped bits, deleted, repeated, swapped or overwritten bytes, or a
truncated end. None may crash a decoder or exceed its time or memory limit; each refusal is a sentence. A short version
is a test: tests/media/test_fuzz.py.
"""

import argparse
import io
import random
import tempfile
import time
import wave
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from media.errors import ItemError, UnreadableMedia, UnsupportedMedia
from media.facts import CONTENTS
from media.location import drop_location
from media.sandbox import Decoders, Limits
from tests.media.made.documents import DOCUMENTS
from tests.media.made.live_photos import apple_live_photo, motion_photo
from tests.media.made.pictures import dng, encoded, half_and_half, heic, psd

EXTREMES = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x01",
    b"\xff\xfe",
)


@dataclass
class Report:
    """The outcomes; `peak_bytes` is the peak memory of a whole decoder process."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    peak_bytes: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        total = sum(self.outcomes.values())
        lines = [f"{total} mutants in {self.seconds:.0f} s ({self.seconds / max(total, 1) * 1000:.1f} ms each)"]
        lines += [f"{name:12} {count}" for name, count in self.outcomes.most_common()]
        lines += [f"slowest {self.slowest_seconds:.2f} s, peak memory of a decoder {self.peak_bytes / 1e6:.0f} MB"]
        lines += [f"crashed: {crash}" for crash in self.crashes]
        return "\n".join([*lines, "reasons:", *(f"{count:6} {said}" for said, count in self.reasons.most_common())])


def seeds() -> dict[str, bytes]:
    """A small valid file of every supported format, by name."""
    return {**_pictures(), **_recordings(), **_texts(), **_rarer_pictures(), **_live_photos(), **_documents()}


def mutants(valid: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` mutants with the names of their originals, reproducible by the seed."""
    chance = random.Random(seed)
    names = sorted(valid)
    for number in range(count):
        name = names[number % len(names)]
        data = bytearray(valid[name])
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            _mutate(data, chance, valid[chance.choice(names)])
        yield f"{number}-{name}", bytes(data)


def run(count: int, seed: int, decoders: Decoders, at_once: int = 2) -> Report:
    """Decode mutants and report the outcomes."""
    report = Report()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="triptych-fuzz-") as folder, ThreadPoolExecutor(at_once) as threads:

        def decode(pair: tuple[str, bytes]) -> None:
            _decode(*pair, Path(folder), decoders, report)

        for _ in threads.map(decode, mutants(seeds(), count, seed)):
            pass
    report.seconds = time.perf_counter() - began
    return report


def _decode(name: str, data: bytes, folder: Path, decoders: Decoders, report: Report) -> None:
    path = folder / name
    path.write_bytes(data)
    began = time.perf_counter()
    try:
        facts = decoders.identify(path, name)
        drop_location(path, facts.media_type)
        if CONTENTS in facts.properties:
            decoders.read(path, facts.media_type)
        report.outcomes[facts.kind] += 1
    except ItemError as refusal:
        report.outcomes[type(refusal).__name__] += 1
        report.reasons[_without_digits(str(refusal))] += 1
        if not isinstance(refusal, UnreadableMedia | UnsupportedMedia) or "decoder fail" in str(refusal):
            report.crashes.append(f"{name}: {refusal}")
    report.slowest_seconds = max(report.slowest_seconds, time.perf_counter() - began)
    for pid in decoders.pids():
        report.peak_bytes = max(report.peak_bytes, _peak(pid))
    path.unlink()


def _peak(pid: int) -> int:
    """The peak resident memory of a process in bytes, 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 if "VmHWM:" in status else 0


def _without_digits(reason: str) -> str:
    """A reason with its digits replaced by 0, to group equal reasons."""
    return "".join("0" if c.isdigit() else c for c in reason)[:110]


def _mutate(data: bytearray, chance: random.Random, other: bytes) -> None:
    if not data:
        return
    at, size = chance.randrange(len(data)), chance.choice((1, 2, 4, 16, 256))
    match chance.randrange(8):
        case 0 | 1:
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            number = chance.choice(EXTREMES)
            data[at : at + len(number)] = number
        case 3:
            head = chance.randrange(min(len(data), 64))  # headers, which contain sizes
            data[head : head + 4] = chance.choice(EXTREMES)
        case 4:
            del data[at : at + size]
        case 5:
            data[at:at] = data[at : at + size] * chance.choice((1, 8))
        case 6:
            del data[at:]
        case _:
            begin = chance.randrange(max(len(other), 1))
            data[at : at + size] = other[begin : begin + size]


def _pictures() -> dict[str, bytes]:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.5)
    noise = Image.effect_noise((48, 36), 60).convert("RGB")
    found: dict[str, bytes] = {}
    for form, options in {"JPEG": {"exif": exif}, "PNG": {"exif": exif}, "WEBP": {"exif": exif}, "AVIF": {}}.items():
        file = io.BytesIO()
        noise.save(file, form, **options)
        found[form.lower()] = file.getvalue()
    for form, options in {"GIF": {"save_all": True, "append_images": [noise] * 3}, "BMP": {}, "TIFF": {}}.items():
        file = io.BytesIO()
        noise.quantize(16).save(file, form, **options) if form == "GIF" else noise.save(file, form)
        found[form.lower()] = file.getvalue()
    return found


def _rarer_pictures() -> dict[str, bytes]:
    picture = half_and_half((48, 36))
    forms = {"jxl": "JXL", "jp2": "JPEG2000", "ppm": "PPM", "ico": "ICO"}
    found = {name: encoded(picture, form) for name, form in forms.items()}
    return found | {"heic": heic(picture), "dng": dng(48, 36), "psd": psd(picture)}


def _live_photos() -> dict[str, bytes]:
    """Apple's two files of a live photo, a motion photo with its film, and a TIFF of pages."""
    picture, pages = half_and_half((48, 36)), io.BytesIO()
    picture.save(pages, "TIFF", save_all=True, append_images=[picture] * 2)
    with tempfile.TemporaryDirectory(prefix="triptych-fuzz-") as folder:
        still, moving = apple_live_photo(Path(folder), picture, "1F2E3D4C-0000-4000-8000-00805F9B34FB", [(200, 0, 0)])
        found = {"live-heic": still.read_bytes(), "live-mov": moving.read_bytes()}
    motion = motion_photo(picture, found["live-mov"].replace(b"ftypqt  ", b"ftypmp42"))
    return found | {"motion-jpeg": motion, "pages-tiff": pages.getvalue()}


def _documents() -> dict[str, bytes]:
    """Documents whose members are stored, so that mutants reach their readers and not only the checksums."""
    made = {name: build() for name, build in DOCUMENTS.items()}
    return {name: _stored(data) if data.startswith(b"PK") else data for name, data in made.items()}


def _stored(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(file, "w") as opened:
        for name in packed.namelist():
            opened.writestr(name, packed.read(name))
    return file.getvalue()


def _recordings() -> dict[str, bytes]:
    import av
    import numpy as np

    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(range(256)) * 25)
    found = {"wav": file.getvalue()}
    tone = (np.sin(np.arange(8000) / 5) * 0.3).astype(np.float32).reshape(1, -1)
    for form, codec in {"flac": "flac", "mp3": "mp3", "ogg": "libopus", "mp4": "aac", "matroska": "libopus"}.items():
        file = io.BytesIO()
        rate = 48_000
        with av.open(file, "w", format=form) as film:
            stream = film.add_stream(codec, rate=rate, layout="mono")
            mixer = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 0)
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate = rate
            for piece in [*mixer.resample(frame), None]:
                film.mux(stream.encode(piece))
        found[form] = file.getvalue()
    return found


def _texts() -> dict[str, bytes]:
    words = "Grüße aus Köln! 中文也行。 A text of no importance, with <b>signs</b> & more.\n" * 6
    return {f"text-{name}": words.encode(name) for name in ("utf-8", "utf-16", "utf-32", "gb18030")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    decoders = Decoders(Limits(), count=2)
    print(run(given.count, given.seed, decoders))
    decoders.close()
