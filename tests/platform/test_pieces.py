"""The pieces a platform is made of, without one."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from rehearsal.locks import locked_folder
from rehearsal.platform import certificates, ports, processes
from rehearsal.platform.certificates import Authority, Pair
from rehearsal.platform.processes import Running, Sign, end, recorded, search, spawn
from tests.platform.conftest import Listener
from tests.support.waiting import PATIENCE, until


def sign(folder: Path, mark: str, program: str = Path(sys.executable).name) -> dict[str, Sign]:
    return {"part": Sign(program, mark, folder, os.getuid())}


def run(folder: Path, *command: str) -> Running:
    return spawn(command, log=folder / "log", record=folder / "record.json", folder=folder)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = run(tmp_path, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    until((tmp_path / "log").read_text)
    assert end([process], patience=PATIENCE / 100) == []
    assert not process.alive()


def test_a_child_that_ended_is_not_taken_for_alive(tmp_path: Path) -> None:
    process = run(tmp_path, "/bin/true")
    until(lambda: not process.alive())
    assert recorded(tmp_path / "record.json") is None


def test_a_process_that_has_just_started_is_alive(tmp_path: Path) -> None:
    # Between fork and the end of exec there is no command line; a busy machine makes the moment long enough to be seen.
    for _ in range(200):
        process = run(tmp_path, "/bin/sleep", "60")
        alive = process.alive()
        process.signal(signal.SIGKILL)
        assert alive
    end([process], patience=PATIENCE)


def test_a_process_with_the_same_pid_but_another_start_is_a_stranger(tmp_path: Path) -> None:
    process = run(tmp_path, sys.executable, "-c", "import time; time.sleep(60)")
    try:
        older = Running(process.pid, process.started - 1, process.command)
        renamed = Running(process.pid, process.started, ("something", "else"))
        assert process.alive()
        assert not older.alive()
        assert not renamed.alive()
        end([older, renamed], patience=0.1)
        assert process.alive()
    finally:
        end([process], patience=PATIENCE)


def test_a_process_without_a_record_is_found_by_name_and_mark(tmp_path: Path) -> None:
    mark = f"--data-dir={tmp_path}"
    process = run(tmp_path, sys.executable, "-c", "import time; time.sleep(60)", mark)
    try:
        until(lambda: search(sign(tmp_path, mark)))
        assert search(sign(tmp_path, mark)) == {"part": process}
        assert search(sign(tmp_path, f"{mark}/other")) == {}
        assert search(sign(tmp_path, mark, "etcd")) == {}
        # Whoever imitates the command line elsewhere is not ours to end.
        assert search(sign(tmp_path / "elsewhere", mark)) == {}
    finally:
        end([process], patience=PATIENCE)


def test_a_process_of_somebody_else_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"--data-dir={tmp_path}"
    process = run(tmp_path, sys.executable, "-c", "import time; time.sleep(60)", mark)
    try:
        until(lambda: search(sign(tmp_path, mark)))
        monkeypatch.setattr(processes, "_namespace", str)
        assert search(sign(tmp_path, mark)) == {}
        monkeypatch.undo()
        monkeypatch.setattr(os, "getuid", lambda: 4711)
        assert search(sign(tmp_path, mark)) == {}
    finally:
        end([process], patience=PATIENCE)


def test_a_process_inherits_what_it_needs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_LISTEN_METRICS_URLS", "http://0.0.0.0:2381")
    monkeypatch.setenv("TERRARIUM_CI_RUN", "1")
    process = run(tmp_path, "/usr/bin/env")
    until(lambda: not process.alive())
    names = {line.partition("=")[0] for line in (tmp_path / "log").read_text().splitlines()}
    inherited = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "TERRARIUM_CI_RUN"}
    assert {"PATH", "TERRARIUM_CI_RUN", "GOGC"} <= names <= inherited | {"GOGC"}


def test_a_process_that_can_not_be_recorded_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mark = f"--data-dir={tmp_path}"
    with pytest.raises(OSError, match="file"):
        spawn(
            [sys.executable, "-c", "import time; time.sleep(60)", mark],
            log=tmp_path / "log",
            record=tmp_path / "file" / "record.json",
            folder=tmp_path,
        )
    assert search(sign(tmp_path, mark)) == {}


def test_a_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rehearsal.platform.processes import spawn; f = Path(sys.argv[1]);"
        "spawn(['sleep', '61'], log=f / 'log', record=f / 'record.json', folder=f)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    process = recorded(tmp_path / "record.json")
    assert process is not None
    end([process], patience=PATIENCE)
    assert not process.alive()


def test_a_log_that_grew_long_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.platform.processes.LOG_LIMIT", 10)
    (tmp_path / "log").write_text("what was said before")
    end([run(tmp_path, "/bin/true")], patience=PATIENCE)
    assert (tmp_path / "log.old.log").read_text() == "what was said before"


def test_ports_are_kept_and_only_the_taken_one_moves(tmp_path: Path, listener: Listener) -> None:
    file = tmp_path / "ports.json"
    first = ports.choose(file, ("a", "b"), (), listener)
    assert len(set(first.values())) == 2
    assert ports.choose(file, ("a", "b"), (), listener) == first
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", first["a"]))
        stranger.listen()
        assert ports.choose(file, ("a", "b"), ("a",), listener) == first
        second = ports.choose(file, ("a", "b"), (), listener)
    assert second["b"] == first["b"]
    assert second["a"] != first["a"]
    assert listener.notes == [f"Port {first['a']} of a is taken by another program; it moved to {second['a']}."]
    assert json.loads(file.read_text()) == second


def test_a_certificate_is_kept_until_it_is_damaged_or_about_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair.at(tmp_path, "ana")
    authority = Authority(tmp_path, "authority")
    assert authority.issue(pair, "ana", ["team"])
    assert not authority.issue(pair, "ana", ["team"])
    assert not Authority(tmp_path, "authority").issue(pair, "ana", ["team"])
    assert authority.issue(pair, "ana", ["other"])
    # A version of ours that serves under another name must not start with the old certificate.
    assert authority.issue(pair, "ana", ["other"], ["localhost"])
    assert not authority.issue(pair, "ana", ["other"], ["localhost"])
    assert authority.issue(pair, "ana", ["other"], ["localhost", "127.0.0.1"])
    assert authority.issue(pair, "ana", ["other"])
    pair.key.write_text("-----BEGIN")
    assert authority.issue(pair, "ana", ["other"])
    (tmp_path / "authority.key").unlink()
    assert Authority(tmp_path, "authority").issue(pair, "ana", ["other"])
    monkeypatch.setattr(certificates, "RENEW_BEFORE", certificates.LEAF_DAYS + 1)
    assert Authority(tmp_path, "authority").issue(pair, "ana", ["other"])


def test_a_certificate_says_who_and_nothing_else(tmp_path: Path) -> None:
    pair = Pair.at(tmp_path, "ana")
    Authority(tmp_path, "authority").issue(pair, "ana", ["a", "b"])
    found = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert found.subject.rfc4514_string() == "CN=ana,O=b,O=a"
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    lasts = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=364) < lasts < datetime.timedelta(days=366)
    assert pair.key.stat().st_mode & 0o777 == 0o600


def _hold(folder: str, log: str) -> None:
    for _ in range(20):
        with locked_folder(Path(folder)):
            file = Path(folder) / "inside"
            with Path(log).open("a") as stream:
                stream.write("two at once\n" if file.exists() else "")
            file.touch()
            time.sleep(0.001)
            file.unlink()
            # As `reset` does: the lock's own folder goes while others wait for it.
            Path(folder).rmdir()


def test_a_locked_folder_is_held_by_one_even_when_the_holder_deletes_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    context = multiprocessing.get_context("spawn")
    holders = [context.Process(target=_hold, args=(str(tmp_path / "lock"), str(log))) for _ in range(3)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join(PATIENCE)
    assert [holder.exitcode for holder in holders] == [0, 0, 0]
    assert log.read_text() == ""


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    script = "import sys,time; from pathlib import Path; from rehearsal.locks import locked_folder\n" + (
        "with locked_folder(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "f")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        os.kill(holder.pid, signal.SIGKILL)
        with locked_folder(tmp_path / "f"):
            pass
