"""Folders are taken in as people mean them; every name becomes one file in its folder."""

from pathlib import Path

import pytest

from flows.library.file_names import file_name
from gateway.cli.folders import find_files
from gateway.cli.terminal import write_file
from gateway.errors import WrongInput

PHOTOS = ("a.jpg", "b.HEIC", "notes.json", "sub/c.png")
JUNK = (
    *(".DS_Store", "._a.jpg", "Thumbs.db", "desktop.ini", "~$report.docx", "b.HEIC.part", "@eaDir/a.jpg/SYNO.jpg"),
    *("__MACOSX/._a.jpg", ".git/objects/ab/cd", "sub/.picasa.ini"),
)
SIDECARS = ("a.jpg.json", "b.xmp", "sub/c.png.supplemental-metadata.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*PHOTOS, *JUNK, *SIDECARS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_what_systems_leave_behind_is_skipped_and_counted(folder: Path) -> None:
    found = find_files([folder])
    assert [path.relative_to(folder).as_posix() for path in found.files] == list(PHOTOS)
    assert found.skipped == len(JUNK)
    sidecars = {path.name: [each.name for each in beside] for path, beside in found.sidecars.items()}
    assert sidecars == {"a.jpg": ["a.jpg.json"], "b.HEIC": ["b.xmp"], "c.png": ["c.png.supplemental-metadata.json"]}


def test_all_takes_everything_and_a_file_that_is_named_is_never_junk(folder: Path) -> None:
    found = find_files([folder], everything=True)
    assert (len(found.files), found.skipped, found.sidecars) == (len(PHOTOS + JUNK + SIDECARS), 0, {})
    named = find_files([folder / ".DS_Store", folder / "a.jpg.json", folder / ".DS_Store"])
    assert [path.name for path in named.files] == [".DS_Store", "a.jpg.json"]
    with pytest.raises(WrongInput):
        find_files([folder / "nothing"])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("f/1.8-1.png", "f-1.8-1.png"),
        ("a/../../x-1.png", "a-..-..-x-1.png"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Users\\a.png", "C-Users-a.png"),
        ("Cafe\u0301.png", "Café.png"),
        ("猫咪合影.jpg", "猫咪合影.jpg"),
        ("a\nb\0c.txt", "abc.txt"),
        ("con.png", "_con.png"),
        ("..", "unnamed"),
        ("会" * 95 + ".jpg", "会" * 78 + ".jpg"),
        ("🎉 party + % # !.gif", "🎉 party + % # !.gif"),
    ],
)
def test_a_name_is_one_file_in_its_folder(tmp_path: Path, name: str, safe: str) -> None:
    assert file_name(name) == safe
    (tmp_path / file_name(name)).write_bytes(b"x")
    assert [path.name for path in tmp_path.iterdir()] == [safe]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"x\.srt cannot be written: No such file or directory\.$"):
        write_file(tmp_path / "missing" / "x.srt", b"x")
