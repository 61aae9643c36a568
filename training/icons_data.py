"""Training icons: a folder of pictures, each with its caption in a text file of the same name.

`prepare_emoji` fills such a folder from two npm packages with `npm pack`; any other folder of this form works too.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PACKAGES: Mapping[str, str] = {
    "google": "emoji-datasource-google@16.0.0",  # Apache-2.0
    "twitter": "emoji-datasource-twitter@16.0.0",  # CC BY 4.0: name Twitter, Inc and other contributors
}
STYLES: Mapping[str, str] = {"google": "soft", "twitter": "bold"}
CATEGORIES = frozenset({"Animals & Nature", "Food & Drink", "Travel & Places", "Activities", "Objects"})


class Icon(NamedTuple):
    """A picture and the prompt it answers: style word first, then its name."""

    path: Path
    caption: str


class NoIcons(Exception):
    """The folder holds no picture with a caption; a retry does not help."""


def read_icons(folder: Path) -> list[Icon]:
    """Every `NAME.png` that has a `NAME.txt`, in name order. Raises NoIcons."""
    pictures = [path for path in sorted(folder.glob("*.png")) if path.with_suffix(".txt").exists()]
    icons = [Icon(path, path.with_suffix(".txt").read_text(encoding="utf-8").strip()) for path in pictures]
    if not icons:
        raise NoIcons(f"{folder} holds no picture with a caption: put NAME.png and NAME.txt there, or run prepare.")
    return icons


def prepare_emoji(folder: Path, downloads: Path, concepts: int = 180) -> int:
    """Fill `folder` with up to `concepts` concepts in each style, evenly over the categories; gives the icon count."""
    folder.mkdir(parents=True, exist_ok=True)
    downloads.mkdir(parents=True, exist_ok=True)
    written = 0
    for style, package in PACKAGES.items():
        archive = downloads / (package.replace("@", "-") + ".tgz")
        if not archive.exists():
            subprocess.run(["npm", "pack", "--silent", package], cwd=downloads, check=True, stdout=subprocess.DEVNULL)
        written += _unpack(archive, style, folder, concepts)
    return written


def _unpack(archive: Path, style: str, folder: Path, concepts: int) -> int:
    with tarfile.open(archive) as packed:
        members = {member.name: member for member in packed.getmembers()}
        table = packed.extractfile(members["package/emoji.json"])
        assert table is not None
        names = _names(json.load(table), style, concepts)
        for image, name in names.items():
            picture = packed.extractfile(members[f"package/img/{style}/64/{image}"])
            assert picture is not None
            target = folder / f"{style}-{image}"
            target.write_bytes(picture.read())
            target.with_suffix(".txt").write_text(f"{STYLES[style]} {name}", encoding="utf-8")
    return len(names)


def _names(table: list[dict[str, object]], style: str, concepts: int) -> dict[str, str]:
    """Image file name → concept, the first of each category in Unicode order; no people, flags, text or symbols."""
    rows = [row for row in table if row["category"] in CATEGORIES and row.get(f"has_img_{style}")]
    rows.sort(key=lambda row: int(str(row["sort_order"])))
    share = concepts // len(CATEGORIES)
    kept = [row for category in sorted(CATEGORIES) for row in [r for r in rows if r["category"] == category][:share]]
    return {str(row["image"]): str(row["name"]).lower() for row in kept}
