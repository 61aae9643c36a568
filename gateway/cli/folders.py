"""Find the files in folders: skip those that systems and programs leave behind, and assign sidecars to their files."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import WrongInput

_JUNK_FILES = re.compile(
    r"\..*|(?:eh)?thumbs(?:_vista)?\.db|desktop\.ini|icon\r|~\$.*|.*~|.*\.(?:tmp|part|crdownload|download|swp)",
    re.IGNORECASE,
)
_JUNK_FOLDERS = re.compile(
    r"\..*|@eadir|__macosx|#recycle|\$recycle\.bin|system volume information|lost\+found|node_modules|__pycache__",
    re.IGNORECASE,
)
_SIDECARS = re.compile(r"(?P<of>.+?)(?:\.supplemental-meta\w*)?\.(?:xmp|json|aae|thm)", re.IGNORECASE)
_PICTURE = re.compile(
    r".*\.(?:jpe?g|png|gif|webp|avif|hei[cf]s?|jxl|tiff?|dng|nef|cr[23]|arw|raf|orf|rw2|pef|psd|mp4|mov|m4v|3gp|avi)",
    re.IGNORECASE,
)


@dataclass
class FoundFiles:
    """The files to take in, the sidecars of each, and how many were skipped."""

    files: list[Path] = field(default_factory=list)
    sidecars: dict[Path, list[Path]] = field(default_factory=dict)
    skipped: int = 0


def find_files(paths: Sequence[Path], *, everything: bool = False) -> FoundFiles:
    """Return the given files, and those below the given folders, in order. Raises WrongInput if there are none.

    What systems leave behind is skipped in folders, and sidecars (XMP, Takeout's JSON) are joined to their picture;
    with `everything`, each file is one to take in.
    """
    found, seen = FoundFiles(), set[Path]()
    for path in paths:
        if not path.exists():
            raise WrongInput(f"There is no file or folder {path}.")
        if not path.is_dir():
            found.files += [path] if path not in seen else []
            seen.add(path)
            continue
        for folder, files, junk in _walk(path, everything):
            found.skipped += junk
            fresh = [file for file in files if file not in seen]
            seen.update(fresh)
            sidecars = {} if everything else _sidecars(fresh)
            for sidecar, picture in sidecars.items():
                found.sidecars.setdefault(folder / picture, []).append(sidecar)
            found.files += [file for file in fresh if file not in sidecars]
    if not found.files:
        raise WrongInput("The folders that were named have no files in them.")
    return found


def _walk(path: Path, everything: bool) -> Iterator[tuple[Path, list[Path], int]]:
    """Yield each folder with its files in order, and the number of files that are skipped."""
    for opened, folders, names in os.walk(path):
        base, junk = Path(opened), 0
        if not everything:
            unwanted = [name for name in folders if _JUNK_FOLDERS.fullmatch(name)]
            junk = sum(sum(inner.is_file() for inner in (base / name).rglob("*")) for name in unwanted)
            folders[:] = [name for name in folders if name not in unwanted]
        folders.sort()
        files = [base / name for name in sorted(names) if (base / name).is_file()]
        wanted = files if everything else [file for file in files if not _JUNK_FILES.fullmatch(file.name)]
        yield base, wanted, junk + len(files) - len(wanted)


def _sidecars(files: Sequence[Path]) -> dict[Path, str]:
    """Return the sidecars among the files of a folder, and the name of the picture that each is about.

    `a.jpg.xmp`, `a.xmp`, `a.jpg.json` and `a.jpg.supplemental-metadata.json` are about `a.jpg`.
    """
    pictures = {file.name for file in files if _PICTURE.fullmatch(file.name)}
    by_stem = {Path(name).stem: name for name in sorted(pictures, reverse=True)}
    found: dict[Path, str] = {}
    for file in files:
        match = _SIDECARS.fullmatch(file.name)
        if not match:
            continue
        of = match["of"]
        picture = of if of in pictures else by_stem.get(of) if file.suffix.lower() != ".json" else None
        if picture:
            found[file] = picture
    return found
