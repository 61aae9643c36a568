"""Start, stop and restart the embedded stack's S3 and Postgres servers; tests/flows starts the whole stack."""

import json
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from os import environ
from pathlib import Path

import psutil
import psycopg
import pytest

from flows.running.platform import Platform
from flows.running.settings import SettingsMissing, load_settings, stack_file
from stack.home_file import load_or_create, read_stack_file
from stack.lifecycle import StackStatus, down, status, up
from stack.processes import free_ports, running_process, start_process, stop_process, truncate_log
from tests.waiting import wait_for


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home under a folder that nobody else may enter, with a long name."""
    folder = tmp_path / "private" / ("long" * 20) / "home"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    yield folder
    down(folder)


def processes_of(home: Path) -> list[psutil.Process]:
    parents = [running_process(home, name) for name in ("s3", "postgres")]
    found = [process for process in parents if process]
    return [*found, *(child for process in found for child in process.children(recursive=True))]


def addresses(found: StackStatus) -> tuple[str | None, str | None, str | None]:
    return found.s3, found.prefect, found.gateway


def test_data_and_addresses_outlive_the_processes(home: Path) -> None:
    first = up(home, storage_only=True)
    settings = load_settings(home)
    dsn = settings.postgres_dsn.get_secret_value()
    Platform(settings).bucket.put("tmp/kept", b"kept")
    with psycopg.connect(dsn) as connection:
        connection.execute("create table kept as select '[1,2]'::vector as v")
    alive = processes_of(home)
    assert addresses(up(home, storage_only=True)) == addresses(first)
    assert {process.pid for process in processes_of(home)} >= {process.pid for process in alive[:2]}

    with psycopg.connect(dsn):  # an open session does not hold the shutdown up
        down(home)
    assert "received fast shutdown request" in (home / "logs" / "postgres.log").read_text(encoding="utf-8")
    assert not [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not any(part.running for part in status(home).parts)

    up(home, storage_only=True)
    assert Platform(load_settings(home)).bucket.get("tmp/kept") == b"kept"
    with psycopg.connect(load_settings(home).postgres_dsn.get_secret_value()) as connection:
        assert connection.execute("select v::text from kept").fetchone() == ("[1,2]",)


def test_stack_env_has_one_unquoted_assignment_per_line(tmp_path: Path) -> None:
    values = load_or_create(tmp_path).values
    lines = stack_file(tmp_path).read_text(encoding="utf-8").splitlines()
    assert dict(line.split("=", 1) for line in lines) == values  # as versions without python-dotenv read it
    assert read_stack_file(tmp_path) == values


def test_no_two_free_ports_are_ten_thousand_apart() -> None:
    found = set(free_ports(500))
    assert len(found) == 500
    assert not found & {port + 10_000 for port in found}


@pytest.mark.parametrize("part", ["s3", "postgres"])
def test_a_killed_part_is_started_again_with_its_data(home: Path, part: str) -> None:
    up(home, storage_only=True)
    Platform(load_settings(home)).bucket.put("tmp/kept", b"kept")
    victim = running_process(home, part)
    assert victim is not None
    victim.kill()
    victim.wait(10)
    up(home, storage_only=True)
    assert Platform(load_settings(home)).bucket.get("tmp/kept") == b"kept"
    assert [p.running for p in status(home).parts if p.name in ("s3", "postgres")] == [True, True]


def test_ports_are_on_loopback_and_command_lines_have_no_secrets(home: Path) -> None:
    up(home, storage_only=True)
    settings = load_settings(home)
    listening: list[str] = []
    words = ""
    for process in processes_of(home):
        with suppress(psutil.NoSuchProcess):  # Postgres starts and ends helpers as it likes
            found = process.net_connections("inet")
            listening += [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]
            words += " ".join(process.cmdline())
    assert listening
    assert set(listening) == {"127.0.0.1"}
    assert settings.s3_secret_key.get_secret_value() not in words
    assert settings.s3_access_key not in words
    assert "TRIPTYCH_STACK_POSTGRES_PASSWORD" not in words
    assert stat.S_IMODE(stack_file(home).stat().st_mode) == 0o600
    assert settings.s3_secret_key.get_secret_value() not in repr(settings)


def test_postgres_requires_its_password(home: Path) -> None:
    up(home, storage_only=True)
    dsn = load_settings(home).postgres_dsn.get_secret_value()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn.replace(dsn.split(":")[2].split("@")[0], "wrong"))


def test_without_a_stack_the_settings_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsMissing, match="triptych up"):
        load_settings(tmp_path)


def test_a_part_restarted_during_its_stop_can_still_be_stopped(tmp_path: Path) -> None:
    def start(command: str) -> psutil.Process:
        return start_process(tmp_path, "part", ["bash", "-c", command], {"PATH": environ["PATH"]}, tmp_path)

    # It ends at once and leaves a child behind, for which whoever stops it waits.
    first = start("sleep 3 & trap 'exit 0' TERM; echo ready; wait")
    wait_for(lambda: "ready" in (tmp_path / "logs" / "part.log").read_text(), 30, "the part")
    with ThreadPoolExecutor(1) as threads:
        stopping = threads.submit(stop_process, tmp_path, "part")
        wait_for(lambda: running_process(tmp_path, "part") is None, 30, "the part to end")
        second = start("exec sleep 60")
        stopping.result()
    try:
        assert not first.is_running()
        assert running_process(tmp_path, "part") == second
    finally:
        stop_process(tmp_path, "part")
    assert running_process(tmp_path, "part") is None
    assert not second.is_running()


def test_a_log_that_has_grown_is_set_aside_and_its_part_goes_on_writing(tmp_path: Path) -> None:
    script = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.01)"
    start_process(tmp_path, "talker", [sys.executable, "-c", script], dict(environ), tmp_path)
    log = tmp_path / "logs" / "talker.log"
    try:
        wait_for(lambda: log.stat().st_size > 1000, 30, "the first lines")
        truncate_log(tmp_path, "talker", 1000)
        assert log.with_suffix(".log.1").stat().st_size > 1000
        wait_for(lambda: log.read_bytes().startswith(b"x" * 99), 30, "lines at the beginning of the emptied file")
    finally:
        stop_process(tmp_path, "talker")


def test_a_process_is_known_by_its_start_though_the_clock_is_set_and_only_by_it(tmp_path: Path) -> None:
    process = start_process(tmp_path, "sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path)
    file = tmp_path / "run" / "sleeper.json"
    noted = json.loads(file.read_text())
    try:
        assert "." not in noted["started"], "no time of the wall clock"
        file.write_text(json.dumps(noted | {"started": process.create_time()}))
        assert running_process(tmp_path, "sleeper") == process, "as an earlier version noted it"
        boot, ticks = noted["started"].split()
        file.write_text(json.dumps(noted | {"started": f"{boot} {int(ticks) + 1}"}))
        assert running_process(tmp_path, "sleeper") is None, "another process with this pid"
    finally:
        file.write_text(json.dumps(noted))
        stop_process(tmp_path, "sleeper")
