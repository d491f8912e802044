"""Proves how the parts fail: programs that are missing, too old, break off or hang; commands that serve no copy."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from terrarium.backups import parallel, point_in_time, programs
from terrarium.errors import CommandFailed, InvalidInput

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with no programs but its own."""
    (tmp_path / ".terrarium" / "bin").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'elsewhere'}:/usr/bin:/bin")
    return tmp_path


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def dumper(root: Path, folder: str, version: str) -> Path:
    return script(root / folder, "pg_dump", f"echo 'pg_dump (PostgreSQL) {version}'")


def test_the_program_of_the_servers_version_is_taken(root: Path) -> None:
    newer, same = dumper(root, ".terrarium/bin", "18.1"), dumper(root, "elsewhere", "16.4")
    assert programs.find("pg_dump", root, 16) == same
    assert programs.find("pg_dump", root, 17) == newer
    with pytest.raises(CommandFailed, match="only of version 18, and the server is PostgreSQL 19"):
        programs.find("pg_dump", root, 19)


def test_a_missing_program_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root / "elsewhere"))
    with pytest.raises(CommandFailed, match="pg_restore is not installed"):
        programs.find("pg_restore", root, 16)


def test_passwords_are_in_variables_and_no_others_variables_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    found = programs.variables({"host": "here", "password": "p", "keepalives": "1"})
    assert {key: value for key, value in found.items() if key.startswith("PG")} == {"PGHOST": "here", "PGPASSWORD": "p"}


def test_a_program_that_breaks_off_is_a_failure_after_its_output(root: Path) -> None:
    command = script(root, "pg_dump", "echo part; echo 'disk full' >&2; exit 1")
    got: list[bytes] = []
    with pytest.raises(CommandFailed, match="pg_dump failed:\ndisk full"):
        got.extend(programs.output([command], {}))
    assert got == [b"part\n"]


def broken() -> Iterator[bytes]:
    # Larger than a pipe and every buffer: what is held back is held back here.
    yield b"f" * 300_000
    yield b"l" * 300_000
    raise CommandFailed("the dump is damaged")


def test_a_program_never_has_the_whole_of_a_broken_input(root: Path) -> None:
    command = script(root, "pg_restore", f"cat > {root / 'got'}; touch {root / 'ended'}")
    with pytest.raises(CommandFailed, match="the dump is damaged"):
        programs.feed([command], {}, broken())
    time.sleep(0.2)
    assert not (root / "ended").exists(), "it was not ended at once"
    assert set((root / "got").read_bytes()) == {ord("f")}


def test_a_program_that_ends_before_its_input_says_why(root: Path) -> None:
    command = script(root, "pg_restore", "echo 'no such role' >&2; exit 1")
    with pytest.raises(CommandFailed, match="no such role"):
        programs.feed([command], {}, (b"x" * 100_000 for _ in range(100)))


def test_what_a_program_does_not_wait_for_is_compared_all_the_same(root: Path) -> None:
    command = script(root, "pg_restore", "head -c 1 > /dev/null")
    with pytest.raises(CommandFailed, match="the dump is damaged"):
        programs.feed([command], {}, broken())


def serve(root: Path, text: str, limit: float = 10.0) -> dict[str, str]:
    script(root / ".terrarium" / "bin", "at", text)
    with point_in_time.serving(["at", "shared"], NOW, "churn", root, limit) as server:
        return dict(server.keywords)


def test_a_copy_is_served_until_it_is_no_longer_needed(root: Path) -> None:
    told = "postgresql://u:p@127.0.0.1:5/postgres"
    found = serve(root, f'echo "$@" > asked; echo {told}; read end; touch ended')
    assert (found["host"], found["password"], found["dbname"]) == ("127.0.0.1", "p", "churn")
    assert (root / "asked").read_text() == "shared --at 2026-11-21T12:00:00.000000Z\n"
    assert (root / "ended").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'no base backup before' >&2; exit 1", "no base backup before"),
        ("exit 0", "it said nothing"),
        ("echo secret-nonsense", "something else than the address"),
        ("exec sleep 60", "served no copy"),
    ],
)
def test_no_copy_is_a_failure_with_the_commands_own_words(
    root: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(point_in_time, "_PATIENCE", 0.2)
    with pytest.raises(CommandFailed, match=message) as raised:
        serve(root, text, limit=0.5 if "sleep" in text else 10.0)
    assert "secret" not in str(raised.value)


def test_a_missing_command_is_told(root: Path) -> None:
    way = point_in_time.serving(["nothing-like-it"], NOW, "churn", root, 1.0)
    with pytest.raises(InvalidInput, match="nothing-like-it, which the stack file names"), way:
        pass


def test_no_process_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_in_time, "_PATIENCE", 0.2)
    before = {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}
    serve(root, "echo postgresql://u:p@127.0.0.1:5/x; exec sleep 60")
    assert {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)} <= before


def test_the_first_failure_ends_the_others() -> None:
    seen: list[int] = []

    def work(number: int) -> None:
        seen.append(number)
        if number == 5:
            raise CommandFailed("the store is full")
        time.sleep(0.005)

    with pytest.raises(CommandFailed, match="full"):
        parallel.at_once(work, range(100_000), lambda _: None)
    assert len(seen) < 5_000
