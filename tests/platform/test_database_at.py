"""The database as of a time: what was deleted since is there, and nothing stays of the copy."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from rehearsal import database_tools
from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, archive, database_at
from rehearsal.platform.layout import Layout
from tests.platform.store import sql, sql_at
from tests.support.waiting import PATIENCE, until


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that copies are made in, and that none may be left in."""
    with tempfile.TemporaryDirectory(prefix="tt-") as folder:
        # The server's user, if it is another, must be let in as it is into the system's own.
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []


def now() -> str:
    """Return the time, with moments before and after it in which nothing happens."""
    time.sleep(0.05)
    found = datetime.datetime.now(datetime.UTC).isoformat()
    time.sleep(0.05)
    return found


def command(platform: Platform, at: str) -> list[str]:
    module = "rehearsal.platform.database_at"
    return [sys.executable, "-m", module, platform.name, "--at", at, "--home", str(platform.folder.parent)]


@contextmanager
def running(platform: Platform, at: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(platform, at), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def uri_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("postgresql://"), process.stderr.read() if process.stderr else line
    return line.strip()


def copies(folder: Path) -> list[int]:
    """Return the processes that have the folder of a copy in their command line."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(f"{folder}/terrarium-at-" in word for word in process.cmdline()):
                found.append(process.pid)
    return found


def fill(platform: Platform) -> str:
    """Leave three rows, delete them, and return the time in between."""
    sql(platform, "DROP TABLE IF EXISTS lost", "CREATE TABLE lost (n int)", "INSERT INTO lost VALUES (1), (2), (3)")
    between = now()
    sql(platform, "DELETE FROM lost")
    return between


ROWS = "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), 'none') FROM lost"


def test_rows_deleted_since_are_back_beside_those_of_today(faulty: Platform, temporary: Path) -> None:
    at = fill(faulty)
    pids = [part.pid for part in faulty.status().parts]
    with running(faulty, at) as process:
        uri = uri_of(process)
        assert sql_at(uri, ROWS) == "1,2,3"
        assert sql(faulty, ROWS) == "none"
        # It is whole and may be written to, and the platform's server knows nothing of that.
        sql_at(uri, "CREATE DATABASE another", "INSERT INTO lost VALUES (4)", "CHECKPOINT", "SELECT pg_switch_wal()")
        assert sql(faulty, "SELECT count(*) FROM pg_database WHERE datname = 'another'") == "0"
        for pid in copies(temporary):
            assert not psutil.Process(pid).net_connections(kind="inet")
        rest, errors = process.communicate("", PATIENCE)
        assert (process.returncode, rest, errors) == (0, "", "")
    assert copies(temporary) == []
    # The copy added nothing to the archive, and the platform goes on as it was.
    assert not list(Layout(faulty.folder).wal_archive.glob("00000002*"))
    assert [part.pid for part in faulty.status().parts] == pids
    assert sql(faulty, ROWS) == "none"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_when_it_is_ended(faulty: Platform, temporary: Path, number: signal.Signals) -> None:
    at = fill(faulty)
    with running(faulty, at) as process:
        uri_of(process)
        process.send_signal(number)
        assert process.wait(PATIENCE) == (-number if number is signal.SIGKILL else 128 + number)
    until(lambda: not copies(temporary) and not list(temporary.iterdir()))


def test_nothing_stays_when_it_is_killed_before_it_serves(faulty: Platform, temporary: Path) -> None:
    at = fill(faulty)
    with running(faulty, at) as process:
        until(lambda: copies(temporary))
        process.kill()
    until(lambda: not copies(temporary) and not list(temporary.iterdir()))


def test_a_copy_that_is_ended_is_said_to_be(faulty: Platform, temporary: Path) -> None:
    at = fill(faulty)
    with running(faulty, at) as process:
        uri_of(process)
        server = next(pid for pid in copies(temporary) if psutil.Process(pid).name() == "postgres")
        os.kill(server, signal.SIGKILL)
        assert process.wait(PATIENCE) == 1
        assert process.stderr
        assert "ended by itself" in process.stderr.read()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_does_not_run_is_read_to_its_end(faulty: Platform, end: str) -> None:
    before = fill(faulty)
    sql(faulty, "INSERT INTO lost VALUES (9)")
    after = now()
    if end == "stop":
        faulty.stop()
    else:
        pid = next(part.pid for part in faulty.status().parts if part.name == "postgresql")
        assert pid
        os.kill(pid, signal.SIGKILL)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(PATIENCE)
    for at, rows in ((before, "1,2,3"), (after, "9")):
        with running(faulty, at) as process:
            assert sql_at(uri_of(process), ROWS) == rows
            process.communicate("", PATIENCE)
    faulty.start()
    assert sql(faulty, ROWS) == "9"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2000-01-01T00:00:00Z", r"is before the oldest backup .* Give a time from 20\d\d-"),
        ("2999-01-01T00:00:00+01:00", r"is in the future"),
        ("2026-11-21T17:44:08", r"not a time by RFC 3339 with a zone"),
        ("2026-11-21", r"not a time by RFC 3339 with a zone"),
        ("2026-13-21T17:44:08Z", r"not a time by RFC 3339 with a zone"),
        ("yesterday", r"not a time by RFC 3339 with a zone"),
    ],
)
def test_a_time_that_can_not_be_served_is_refused(faulty: Platform, at: str, said: str) -> None:
    with pytest.raises(RehearsalError, match=said):
        database_at.serve(Layout(faulty.folder), database_at.moment(at))


def test_a_refusal_is_a_sentence_and_an_exit_code(faulty: Platform) -> None:
    for platform, at, said in (
        (faulty, "yesterday", "error: 'yesterday' is not a time"),
        (Platform("absent", faulty.folder.parent), now(), "error: There is no platform 'absent'"),
    ):
        done = subprocess.run(command(platform, at), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(said)
        assert "Traceback" not in done.stderr
    assert not (faulty.folder.parent / "absent").exists()


def test_a_zone_is_taken_into_account() -> None:
    noon = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
    for text in ("2026-11-21T12:00:00Z", "2026-11-21t13:00:00+01:00", "2026-11-21 06:30:00.000000000-05:30"):
        assert database_at.moment(text) == noon


def test_a_base_backup_is_made_each_day_and_two_are_kept(faulty: Platform) -> None:
    layout = Layout(faulty.folder)
    for days in (3, 2, 1):
        for complete, folder in archive.base_backups(layout).items():
            older = complete - datetime.timedelta(days=days)
            folder.rename(folder.with_name(older.strftime("%Y%m%dT%H%M%S.%fZ")))
        # As one that was interrupted leaves it.
        (layout.base_backups / ".new-killed").mkdir()
        faulty.start()
        assert not list(layout.base_backups.glob(".new-*"))
    assert len(archive.base_backups(layout)) == archive.KEPT
    at = fill(faulty)
    with running(faulty, at) as process:
        assert sql_at(uri_of(process), ROWS) == "1,2,3"
    # From the older one, too: its part of the log is kept.
    newest = archive.base_backups(layout).popitem()[1]
    newest.rename(newest.with_name("20990101T000000.000000Z"))
    with running(faulty, at) as process:
        assert sql_at(uri_of(process), ROWS) == "1,2,3"
    # A clock that was wrong once must not put off the next backup for as long.
    faulty.start()
    assert len(archive.base_backups(layout)) == archive.KEPT


def test_the_tools_are_of_the_servers_version_and_work_from_anywhere(tmp_path: Path) -> None:
    bin_dir = tmp_path / "bin with blanks"
    bin_dir.mkdir()
    (bin_dir / "psql").write_text("an older one")
    for _ in range(2):
        database_tools.install(bin_dir)
    for name in database_tools.TOOLS:
        done = subprocess.run([bin_dir / name, "--version"], capture_output=True, text=True, cwd="/", check=True)
        assert "(PostgreSQL) 16." in done.stdout
    done = subprocess.run(
        [bin_dir / database_tools.AT, "absent", "--at", "2026-11-21T12:00:00Z"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no platform 'absent'" in done.stderr
