"""The paths, modules and names that the documents mention exist, and the tree is the one that README shows."""

import re
import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.paths import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("storage", "media", "modalities", "flows", "stack", "gateway", "workers", "training")
ELSEWHERE = {
    "inbox",
    "quarantine",
    "tmp",
    "refs",
    "footprints",
    ".triptych",
    "cache",
    "data",
    "logs",
    "run",
    "stack.env",
    ".venv",
}
"""First folders of paths in the bucket, in the home of a stack, and in a virtual environment."""
OTHER_PROJECTS = {"train_text_to_image_lora.py"}
"""Files that the documents name and that are not ours."""
MOST_MODULES = 14


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the repository, and every folder with a slash at its end."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    return (*files, *{f"{folder}/" for name in files for folder in map(str, Path(name).parents) if folder != "."})


@cache
def top_folders() -> frozenset[str]:
    return frozenset(name.split("/")[0] for name in tracked() if "/" in name)


def exists(path: str) -> bool:
    """Whether this is a file or folder of the repository; without a folder of ours at its front, the end of one."""
    endings = (path, f"{path}/")
    if path.split("/")[0] in top_folders():
        return not {*endings}.isdisjoint(tracked())
    return any(f"/{name}".endswith(tuple(f"/{ending}" for ending in endings)) for name in tracked())


def words_of(document: str) -> list[str]:
    """The words of a document, those of its code too, without the test that a path may end with."""
    words = re.findall(r"[^\s`'\"()\[\]{}|,;]+", document)
    return [word.partition("::")[0].partition("#")[0].rstrip(".:") for word in words]


def paths_in(document: str) -> list[str]:
    """Words such as media/identify.py, test_fuzz.py, docker/ and tests/architecture."""
    top = "|".join(map(re.escape, top_folders()))
    file = re.compile(rf"([\w.-]+/)*[\w.-]+\.(py|html|css|js|sh)|({top})/([\w.-]+/)*[\w.-]+\.[a-z]+")
    folder = re.compile(rf"([a-z_][\w.-]*/)+|({top})(/[a-z_][\w-]*)+")
    return [
        word
        for word in words_of(document)
        if (file.fullmatch(word) or folder.fullmatch(word)) and word.split("/")[0] not in ELSEWHERE
    ]


def modules_in(document: str) -> list[str]:
    """Words such as flows.running.preload:load_models and benchmarks.spine."""
    name = re.compile(rf"({'|'.join((*PACKAGES, 'benchmarks', 'tests'))})(\.[A-Za-z_]\w*)+(:\w+)?")
    return [word for word in words_of(document) if name.fullmatch(word) and word not in ELSEWHERE]


def resolves(name: str) -> bool:
    """Whether this is a module, or what can be got from one."""
    module, _, attributes = name.partition(":")
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in (*parts[length:], *filter(None, attributes.split("."))):
            found = getattr(found, attribute, None)
        return found is not None
    return False


def added_by(document: str) -> set[str]:
    """Files that the document tells the reader to add, and their folders: see docs/contributing.md."""
    files = re.findall(r"^\*\*(\S+)\*\* \(new\)$", document, re.MULTILINE)
    paths = {
        path
        for name in files
        for folder in Path(name).parents
        for path in (name, Path(name).name, f"{folder}", f"{folder}/")
    }
    return {path for path in paths if not exists(path)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_and_module_of_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    elsewhere = OTHER_PROJECTS | added_by(text)
    assert [path for path in paths_in(text) if path not in elsewhere and not exists(path)] == []
    added = tuple(path.removesuffix(".py").replace("/", ".") for path in elsewhere)
    assert [name for name in modules_in(text) if not name.startswith(added) and not resolves(name)] == []


def test_the_names_in_the_tables_of_the_architecture_stand_in_their_files() -> None:
    """A row begins with files and what is defined in them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| `") and row.count(" | ") == 2]
    assert len(rows) > 25
    for files, names, _ in rows:
        code = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in re.findall(r"`([^`]+)`", files))
        missing = [name for name in re.findall(r"`([^`]+)`", names) if not re.search(rf"(def|class) {name}\b", code)]
        assert missing == [], files


def test_the_tree_of_the_readme_is_the_tree() -> None:
    """Each line is a folder and what it holds; the folders of a package are indented below it."""
    shape = (ROOT / "README.md").read_text(encoding="utf-8").split("## The shape")[1].split("\n## ")[0]
    shown: list[str] = []
    for indent, name in re.findall(r"^    ( *)([\w.-]+/) ", shape, re.MULTILINE):
        parent = next((folder for folder in reversed(shown) if indent and "/" not in folder[:-1]), "")
        shown.append(f"{parent}{name}")
    assert [folder for folder in shown if folder not in tracked()] == []
    folders = {name for name in tracked() if name.endswith("/")}
    top = {name for name in folders if name.count("/") == 1 and not name.startswith(".")}
    inner = {name for name in folders if name.count("/") == 2 and f"{name}__init__.py" in tracked()}
    assert top - set(shown) == set()
    assert {name for name in inner if name.split("/")[0] in PACKAGES} - set(shown) == set()


def test_no_folder_has_more_than_fourteen_modules_at_its_level() -> None:
    crowded: dict[str, int] = {}
    for folder in (name for name in tracked() if name.endswith("/")):
        modules = [path for path in (ROOT / folder).glob("*.py") if path.relative_to(ROOT).as_posix() in tracked()]
        if len(modules) > MOST_MODULES:
            crowded[folder] = len(modules)
    assert crowded == {}
