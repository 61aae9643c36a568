"""The command line in this process, on real storage: results, JSON output and exit codes."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flows.care.migration import migrate_bucket
from flows.running.platform import Platform, open_platform
from flows.running.settings import Settings, load_settings
from gateway.cli import main as command_line
from storage.names import blob_key
from tests.media.made.documents import pdf
from tests.paths import SAMPLES


@pytest.fixture(autouse=True)
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the session's storage the home of the command line."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(settings.home))
    open_platform.cache_clear()
    yield
    open_platform.cache_clear()


@pytest.fixture
def triptych(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process; return exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["triptych", *(str(argument) for argument in arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, said.out, said.err

    return run


def document(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_help_shows_whole_sentences_on_a_narrow_terminal(triptych: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = triptych("--help")
    listed = out.partition("Commands:")[2].splitlines()[1:]
    assert code == 0
    assert len(listed) >= 25
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


def test_a_folder_that_is_ingested_twice_gives_only_duplicates(triptych: Any, project: str, tmp_path: Path) -> None:
    for name in ("luggage.jpg", "autumn-market.txt"):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    first = document(triptych("ingest", tmp_path, "--project", project, "--local", "--json"))
    assert {Path(item["path"]).name: item["status"] for item in first["items"]} == {
        "luggage.jpg": "stored",
        "autumn-market.txt": "stored",
    }
    assert set(first["items"][0]) == {"path", "status", "artifact", "kind", "reason"}
    again = document(triptych("ingest", tmp_path, "--project", project, "--local", "--json"))
    assert [item["status"] for item in again["items"]] == ["duplicate", "duplicate"]


def test_some_rejected_files_give_exit_code_4(triptych: Any, project: str, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    code, out, _ = triptych("ingest", tmp_path, "--project", project, "--local", "--json")
    item = json.loads(out)["items"][0]
    assert (code, item["status"], item["artifact"]) == (4, "rejected", None)


def test_an_ingested_file_can_be_shown_exported_and_indexed_again(triptych: Any, project: str, tmp_path: Path) -> None:
    file = SAMPLES / "white-stove.jpg"
    stored = document(triptych("ingest", file, "--project", project, "--local", "--json"))["items"][0]["artifact"]
    shown = document(triptych("show", stored[:10], "--project", project, "--json"))
    assert shown["record"]["name"] == "white-stove.jpg"
    assert shown["url"].startswith("http")
    target = tmp_path / "out.jpg"
    document(triptych("export", stored[:10], target, "--project", project, "--json"))
    assert target.read_bytes() == file.read_bytes()
    assert document(triptych("rebuild", "--project", project, "--json"))["artifacts"] == 1
    hits = document(triptych("search", "--like", file, "--project", project, "--local", "--json"))["hits"]
    assert hits[0]["artifact"] == stored


def test_a_folder_of_a_mac_is_taken_in_without_its_junk_and_a_document_is_shown_at_its_page(
    triptych: Any, project: str, tmp_path: Path
) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "ice.pdf").write_bytes(pdf())
    taken = document(triptych("ingest", tmp_path, "--project", project, "--local", "--json"))
    assert ([item["status"] for item in taken["items"]], taken["skipped"]) == (["stored"], 1)
    stored = taken["items"][0]["artifact"]
    shown = ("show", stored, "--project", project, "--json")
    assert document(triptych(*shown))["places"] == ["page=1", "page=2"]
    assert document(triptych(*shown, "--at", "page=2"))["text"] == "Fjords are drowned valleys."
    code, _, told = triptych(*shown, "--at", "page=9")
    assert code != 0
    assert "page=1, page=2" in told


def test_a_label_can_be_searched_for_at_once_and_outlives_the_index(triptych: Any, project: str) -> None:
    file = SAMPLES / "white-stove.jpg"

    def found() -> list[str]:
        given = ("search", "--like", file, "--label", "kitchen", "--project", project, "--local", "--json")
        return [hit["artifact"] for hit in document(triptych(*given))["hits"]]

    stored = document(triptych("ingest", file, "--label", "old", "--project", project, "--local", "--json"))
    artifact = stored["items"][0]["artifact"]
    assert found() == []
    change = ("label", artifact[:10], "--add", "kitchen", "--remove", "old", "--project", project, "--json")
    assert document(triptych(*change)) == {"labels": {artifact: ["kitchen"]}}
    assert found() == [artifact]
    assert document(triptych("show", artifact, "--project", project, "--json"))["labels"] == ["kitchen"]
    document(triptych("rebuild", "--project", project, "--json"))
    assert found() == [artifact]
    document(triptych("ingest", file, "--project", project, "--local", "--json"))
    assert found() == [artifact]


def test_verify_reports_problems_and_repair_fixes_them(triptych: Any, project: str) -> None:
    stored = document(triptych("ingest", SAMPLES / "autumn-market.txt", "--project", project, "--local", "--json"))
    assert document(triptych("verify", "--project", project, "--json"))["findings"] == []
    space = open_platform().space(project)
    space.platform.bucket.remove(f"{project}/artifacts/{stored['items'][0]['artifact']}.json")
    code, out, _ = triptych("verify", "--project", project)
    assert (code, "The record of autumn-market.txt" in out) == (4, True)
    code, out, _ = triptych("verify", "--project", project, "--repair")
    assert (code, "Mended." in out) == (0, True)
    assert document(triptych("verify", "--project", project, "--json"))["findings"] == []


@pytest.fixture
def own_bucket(home: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that holds nothing yet: the session's grows with every test, and a backup takes all of it."""
    monkeypatch.setenv("TRIPTYCH_BUCKET", f"backup-{uuid4().hex}")
    platform = Platform(load_settings(settings.home))
    platform.bucket.ensure()
    migrate_bucket(platform, lambda _: None)


@pytest.mark.usefixtures("own_bucket")
def test_repair_and_restore_bring_back_lost_files_from_a_backup(triptych: Any, project: str, tmp_path: Path) -> None:
    stored = document(triptych("ingest", SAMPLES / "autumn-market.txt", "--project", project, "--local", "--json"))
    artifact = stored["items"][0]["artifact"]
    place = tmp_path / "backup"
    assert document(triptych("backup", place, "--json"))["problems"] == []
    assert document(triptych("backup", place, "--check", "--json"))["problems"] == []
    space = open_platform().space(project)
    space.platform.bucket.remove(blob_key(project, artifact))
    assert triptych("verify", "--repair", "--project", project)[0] == 4
    assert triptych("verify", "--repair", "--from", place, "--project", project)[0] == 0
    (blob,) = (found for found in place.rglob(artifact) if project in found.parts)
    blob.write_bytes(b"no longer what it was")
    code, out, _ = triptych("backup", place, "--check")
    assert (code, artifact in out) == (4, True)
    blob.unlink()
    space.platform.bucket.remove(f"{project}/artifacts/{artifact}.json")
    assert document(triptych("restore", place, "--json"))["copied"] == 1
    assert document(triptych("verify", "--project", project, "--json"))["findings"] == []


def test_gc_and_retain_are_dry_runs_by_default(triptych: Any, project: str) -> None:
    document(triptych("ingest", SAMPLES / "autumn-market.txt", "--project", project, "--local", "--json"))
    told = document(triptych("gc", "--project", project, "--local", "--json"))
    assert (told["dry_run"], told["removed"]) == (True, 0)
    told = document(triptych("retain", "--project", project, "--json"))
    assert told == {"expired": [], "held": 0, "dry_run": True, "unreadable": {}}
    assert document(triptych("migrate", "--json")) == {"before": 1, "format": 1}


def test_generate_writes_files_with_the_reported_hashes(triptych: Any, project: str, tmp_path: Path) -> None:
    asked = (
        "generate",
        "cat",
        "--count",
        2,
        "--steps",
        3,
        "--out",
        tmp_path,
        "--project",
        project,
        "--local",
        "--json",
    )
    images = document(triptych(*asked))["images"]
    assert [image["seed"] for image in images] == [1, 2]
    for image in images:
        assert hashlib.sha256(Path(image["path"]).read_bytes()).hexdigest() == image["sha256"]


def test_transcribe_outputs_text_subtitles_and_json(triptych: Any, project: str) -> None:
    file = SAMPLES / "weather.wav"
    told = document(triptych("transcribe", file, "--project", project, "--local", "--json"))
    assert told["language"] == "en"
    assert set(told["segments"][0]) >= {"start_seconds", "end_seconds", "text", "words"}
    code, out, _ = triptych("transcribe", file, "--format", "srt", "--project", project, "--local")
    assert (code, out.startswith("1\n00:00:0")) == (0, True)


def test_translate_keeps_the_number_of_lines(triptych: Any, project: str, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Good morning.\n\nThank you very much.\n", encoding="utf-8")
    assert triptych("glossary", "add", "Triptych", "--project", project, "--local")[0] == 0
    code, out, _ = triptych("translate", "--file", file, "--to", "de", "--project", project, "--local")
    assert (code, out.strip()) == (0, str(tmp_path / "letter.de.txt"))
    assert (tmp_path / "letter.de.txt").read_text(encoding="utf-8") == "Guten Morgen.\n\nVielen Dank.\n"
    assert "Triptych" in triptych("glossary", "list", "--project", project, "--local")[1]
    code, _, said = triptych("glossary", "add", "en", "de", "--project", project, "--local")
    assert (code, "Name two languages" in said) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("ingest", "/no/such/file", "--local"), 2, "There is no file or folder /no/such/file."),
        (("gc", "--grace", "0.5", "--local"), 2, "grace_hours is not right"),
        (("gc",), 3, "The Prefect server does not answer"),
        (("backup", "ftp://there"), 2, "ftp://there is no place for a backup: give a folder, or s3://BUCKET."),
        (("backup", "s3://there"), 2, "TRIPTYCH_BACKUP_S3_ENDPOINT is not set: it is needed for s3://there."),
        (("label", "0" * 12), 2, "Say which label: --add LABEL or --remove LABEL."),
        (("transcribe", "/no/such/file", "--local"), 2, "There is no file /no/such/file."),
        (("search", "", "--local"), 2, "say what to look for"),
        (("search", "cat", "--kind", "smell", "--local"), 2, "kinds is not right"),
        (("generate", "cat", "--count", "0", "--local"), 2, "count is not right"),
        (("generate", "cat", "--size", "1x1", "--local"), 2, "size is not right"),
        (("show", "0123456789"), 2, "has no artifact 0123456789"),
        (("show", "0123456789", "--project", "Not A Name"), 2, "cannot name a project"),
        (("run", "search", "words"), 2, "is no NAME=VALUE"),
        (("run", "search", "words=cat"), 3, "triptych up"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    triptych: Any, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    ended, out, err = triptych(*arguments)
    assert (ended, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err
