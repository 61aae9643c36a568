"""The files of a chaos run: random variations of the samples, from one seed."""

import io
import random
import wave
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"
_WORDS = (
    "river market autumn bicycle harbour lantern orchard station thunder velvet window yellow kettle mountain",
    "notebook orange pencil quarry ribbon saddle teapot umbrella violin walnut anchor basket candle",
)


@dataclass(frozen=True)
class File:
    """A file to ingest; `is_good` when it should be stored, not quarantined."""

    name: str
    data: bytes
    is_good: bool


def make_files(count: int, seed: int) -> list[File]:
    """Make `count` files: two thirds pictures, some sound, texts, unreadable files, and duplicates."""
    chance = random.Random(seed)
    makers = [_picture] * 13 + [_clip] * 2 + [_text] * 4 + [_bad] * 1
    files: list[File] = []
    for number in range(count):
        known = [file for file in files if file.is_good]
        if known and chance.random() < 0.04:
            twin = chance.choice(known)
            files.append(File(f"{number:04d}-again.{twin.name.rsplit('.', 1)[1]}", twin.data, True))
        else:
            files.append(chance.choice(makers)(number, chance))
    return files


def _picture(number: int, chance: random.Random) -> File:
    from PIL import Image

    with Image.open(chance.choice(sorted(SAMPLES.glob("*.jpg")))) as image:
        side = chance.randrange(96, 161)
        small = image.convert("RGB").resize((side, side))
    for _ in range(40):
        small.putpixel((chance.randrange(side), chance.randrange(side)), tuple(chance.randrange(256) for _ in "rgb"))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return File(f"{number:04d}.jpg", out.getvalue(), True)


def _clip(number: int, chance: random.Random) -> File:
    with wave.open(str(chance.choice([SAMPLES / "weather.wav", SAMPLES / "reading.wav"]))) as sound:
        length = int(chance.uniform(2.0, 3.0) * sound.getframerate())
        sound.setpos(chance.randrange(max(1, sound.getnframes() - length)))
        frames, shape = sound.readframes(length), sound.getparams()
    out = io.BytesIO()
    with wave.open(out, "wb") as cut:
        cut.setparams(shape)
        cut.writeframes(frames)
    return File(f"{number:04d}.wav", out.getvalue(), True)


def _text(number: int, chance: random.Random) -> File:
    words = " ".join(chance.choice(" ".join(_WORDS).split()) for _ in range(12))
    return File(f"{number:04d}.txt", f"Note {number}: the {words}.\n".encode(), True)


def _bad(number: int, chance: random.Random) -> File:
    def archive() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as zipped:
            zipped.writestr("a.txt", f"{number}")
        return out.getvalue()

    kinds: list[tuple[str, bytes]] = [
        ("jpg", f"<html><script>alert({number})</script></html>".encode()),
        ("jpg", (SAMPLES / "red-bus.jpg").read_bytes()[: 40 + number]),
        ("zip", archive()),
        ("svg", f'<svg xmlns="http://www.w3.org/2000/svg"><script>{number}</script></svg>'.encode()),
    ]
    ending, data = chance.choice(kinds)
    return File(f"{number:04d}-bad.{ending}", data, False)


def arrivals(files: list[File], seconds: float, seed: int) -> Iterator[tuple[float, File]]:
    """The arrival time of each file in seconds from the start, in order."""
    chance = random.Random(seed + 1)
    times = sorted(chance.uniform(0, seconds) for _ in files)
    yield from zip(times, files, strict=True)
