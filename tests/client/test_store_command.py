"""Proves: `terrarium store` copies as a whole or not at all, repeats nothing, and ends with an honest exit code."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from terrarium import s3
from terrarium.client.faults import StoreFailed
from terrarium.store_places import Remote
from terrarium.store_transfer import Transfer
from tests.client.flaky import flaky
from tests.client.stores import Servers

MEBIBYTE = 1 << 20


@pytest.fixture
def own(request: pytest.FixtureRequest) -> str:
    return request.node.name


def test_up_across_and_down(store: Any, own: str, tmp_path: Path) -> None:
    content = os.urandom(20 * MEBIBYTE)
    Path("weights.pt").write_bytes(content)
    store("cp", "weights.pt", f"models:{own}/")
    store("cp", f"models:{own}/weights.pt", f"datasets:{own}/copy")
    store("cp", f"datasets:{own}/copy", "back")
    assert Path("back").read_bytes() == content
    listed = json.loads(store("ls", f"models:{own}/", "--json"))["objects"]
    assert [(item["name"], item["size"]) for item in listed] == [(f"{own}/weights.pt", len(content))]
    assert "20.0 MiB" in store("ls", "-r", f"models:{own}")


def test_a_second_call_copies_what_is_left(store: Any, own: str) -> None:
    for name in ("a", "b/c", "b/large"):
        Path("up", name).parent.mkdir(parents=True, exist_ok=True)
        Path("up", name).write_bytes(name.encode() * (3 * MEBIBYTE if name == "b/large" else 1))
    for source, target in (("up", f"models:{own}"), (f"models:{own}", f"results:{own}"), (f"results:{own}", "down")):
        first = json.loads(store("cp", "-r", source, target, "--json"))
        assert (first["copied"], first["skipped"]) == (3, 0)
        again = json.loads(store("cp", "-r", source, target, "--json"))
        assert (again["copied"], again["skipped"]) == (0, 3)
    Path("down/b/c").write_text("x")
    assert json.loads(store("cp", "-r", f"results:{own}", "down", "--json"))["copied"] == 1
    assert Path("down/b/c").read_text() == "b/c"


def test_pipes_and_exit_codes(apart: Any, own: str) -> None:
    for number, content in enumerate((b"", b"from a pipe", os.urandom(40 * MEBIBYTE))):
        up = apart("cp", "-", f"scratch:{own}{number}")
        assert up.communicate(content, timeout=60)[1] == b""
        assert up.returncode == 0
        assert apart("cp", f"scratch:{own}{number}", "-").communicate(timeout=60) == (content, b"")
    wrong = apart("ls", f"results:{own}-nothing")
    _out, said = wrong.communicate(timeout=60)
    assert (wrong.returncode, said.decode()) == (2, f"error: results:{own}-nothing does not exist\n")


def test_what_was_interrupted_while_its_pipe_ended_is_no_object(apart: Any, opened: Any, own: str) -> None:
    """Ctrl-C ends both sides of `producer | terrarium store cp -`: what had come was stored as if it were whole."""
    running = apart("cp", "-", f"scratch:{own}")
    running.stdin.write(os.urandom(40 * MEBIBYTE))
    running.stdin.close()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    running.stdout.close()
    running.stderr.close()
    assert not opened().store.scratch.exists(own)


def test_a_silent_pipe_does_not_hold_a_command_that_was_ended(apart: Any) -> None:
    running = apart("cp", "-", "scratch:silent")
    running.stdin.write(b"x")
    running.stdin.flush()
    while fcntl.ioctl(running.stdin, termios.FIONREAD, b"\0\0\0\0") != b"\0\0\0\0":
        # Not taken yet; before that the command may not even have begun.
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 130
    running.communicate()


def test_a_file_that_changes_meanwhile_does_not_replace_its_object(
    opened: Any, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = opened().store
    for size in (MEBIBYTE, 20 * MEBIBYTE):
        place.scratch.pipe_file(own, b"old")
        file = tmp_path / "file"
        file.write_bytes(bytes(size))
        counted: list[int] = []

        def grow(number: int, file: Path = file, counted: list[int] = counted) -> None:
            counted.append(number)
            if len(counted) == 1:
                with file.open("ab") as more:
                    more.write(b"more")

        with pytest.raises(StoreFailed, match="changed while it was uploaded"):
            Transfer(place, grow).upload(file, Remote("scratch", own, folder=False))
        assert place.scratch.cat_file(own) == b"old"


def test_what_a_folder_holds_and_is_not_copied_is_said(
    store: Any, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "up" / "closed").mkdir(parents=True)
    (tmp_path / "up" / "file").write_text("1")
    (tmp_path / "up" / "link").symlink_to(tmp_path)
    (tmp_path / "up" / "broken").symlink_to("nothing")
    said = store("cp", "-r", "up", f"scratch:{own}")
    assert "up/link was left out" in said
    assert "up/broken was left out" in said
    assert json.loads(store("ls", "-r", f"scratch:{own}", "--json"))["objects"][0]["name"] == f"{own}/file"
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        # Root, whom tests run as in containers, reads every folder.
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "Permission denied: up/closed" in store("cp", "-r", "up", f"scratch:{own}", code=3)


def test_folders_that_other_tools_marked_are_folders(store: Any, opened: Any, server: Servers, own: str) -> None:
    bucket, _prefix = opened().store.location("scratch")
    for key, body in (("", b""), ("a/", b""), ("a/x", b"1"), ("a/none", b""), ("alone/", b"")):
        server.s3.put_object(Bucket=bucket, Key=f"{own}/{key}", Body=body)
    scratch = opened().store.scratch
    assert scratch.ls(own) == [f"{own}/a", f"{own}/alone"]
    assert scratch.ls(f"{own}/alone") == []
    assert scratch.find(f"{own}/a") == [f"{own}/a/none", f"{own}/a/x"]
    store("cp", "-r", f"scratch:{own}", "down")
    store("cp", "-r", f"scratch:{own}", f"results:{own}")
    assert sorted(str(path) for path in Path("down").rglob("*")) == ["down/a", "down/a/none", "down/a/x"]


def test_copies_inside_the_store_share_a_client(store: Any, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each made its own, which takes 0.25 s."""
    made: list[str] = []
    client = s3.client

    def noted(service: str, *arguments: Any, **more: Any) -> Any:
        made.append(service)
        return client(service, *arguments, **more)

    monkeypatch.setattr(s3, "client", noted)
    for number in range(8):
        Path("up").mkdir(exist_ok=True)
        Path(f"up/{number}").write_text("x")
    store("cp", "-r", "up", f"scratch:{own}")
    store("cp", "-r", f"scratch:{own}", f"results:{own}")
    assert made == ["s3"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ls", "results:nothing"), 2, "results:nothing does not exist"),
        (("ls", "modles:x"), 2, "KIND being results"),
        (("cp", "models:nothing", "x"), 2, "models:nothing does not exist"),
        (("cp", "nothing", "models:x"), 2, "nothing does not exist"),
        (("cp", "a", "b"), 2, "is in the store"),
        (("cp", "models:a/../b", "x"), 2, "names nothing"),
        (("cp", "x", "lake:x"), 3, "the lake is only read"),
        (("cp", ".", "models:x"), 2, "add -r"),
        (("sql", "selct 1"), 2, "syntax error"),
        (("sql", "create table t (a int)"), 3, "--write"),
        (("sql", "commit; create table t (a int)"), 3, "--write"),
    ],
)
def test_what_can_not_be_done_is_said(store: Any, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in store(*arguments, code=code)


def test_a_reader_may_not_write(store: Any) -> None:
    Path("x").write_text("x")
    assert "holds identity ro, not rw" in store("cp", "x", "models:x", code=3, identity="ro")
    assert store("sql", "select 1 as one", "--csv", identity="ro") == "one\n1\n"


def test_sql_speaks_to_people_and_machines(store: Any) -> None:
    store("sql", "create table measured (a int, b text)", "--write")
    store("sql", "insert into measured values (1, 'x'), (2, null)", "--write")
    assert json.loads(store("sql", "select * from measured", "--json"))["rows"] == [[1, "x"], [2, None]]
    assert store("sql", "-", "--csv", given="select a from measured") == "a\n1\n2\n"
    assert "1  x" in store("sql", "select * from measured")
    # What streams has no columns before its first row.
    assert store("sql", "select a from measured where a > 2", "--csv") == "a\n"
    assert store("sql", "set work_mem = '1MB'; select a from measured where a = 2", "--csv") == "a\n2\n"
    assert store("sql", "set work_mem = '1MB'") == "SET\n"


def test_sql_ends_a_query_whose_rows_nobody_wants(store: Any) -> None:
    """All rows were loaded before the first was shown."""
    many = "select n, case when n = 20000 then pg_sleep(100) end from generate_series(1, 20000) as n"
    start = time.monotonic()
    assert "only the first 1,000 rows are shown" in store("sql", many)
    assert time.monotonic() - start < 50


def test_sql_writes_all_although_it_shows_some(store: Any, opened: Any) -> None:
    store("sql", "create table many (n int)", "--write")
    said = store("sql", "insert into many select * from generate_series(1, 3000) returning n", "--write")
    assert "only the first 1,000 rows are shown" in said
    assert opened().store.sql("select count(*) from many") == [(3000,)]


def test_a_reader_of_stdout_may_have_enough(apart: Any) -> None:
    running = apart("sql", "--csv", "select repeat('x', 1000) from generate_series(1, 100000)")
    assert running.stdout.readline() == b"repeat\n"
    running.stdout.close()
    assert (running.stderr.read(), running.wait(60)) == (b"", 1)
    running.stdin.close()
    running.stderr.close()


def test_a_store_that_fails_one_time_in_three(
    store: Any, own: str, folders: dict[str, Path], server: Servers, tmp_path: Path
) -> None:
    for number in range(10):
        Path("up").mkdir(exist_ok=True)
        Path(f"up/{number}").write_bytes(os.urandom(100))
    Path("up/large").write_bytes(os.urandom(20 * MEBIBYTE))
    with flaky(server.endpoint, 7) as (endpoint, failures):
        through = _through(folders["rw"], server.endpoint, endpoint, tmp_path / "through")
        store("cp", "-r", "up", f"models:{own}", folder=through)
        store("cp", "-r", f"models:{own}", f"results:{own}", folder=through)
        store("cp", "-r", f"results:{own}", "down", folder=through)
    assert failures
    assert _digests(Path("up")) == _digests(Path("down"))


def test_a_download_that_is_ended_leaves_nothing(
    apart: Any, opened: Any, own: str, server: Servers, tmp_path: Path
) -> None:
    opened().store.scratch.pipe_file(own, bytes(40 * MEBIBYTE))
    Path("down").mkdir()
    with flaky(server.endpoint, 1, share=0, slow=True) as (endpoint, _):
        through = tmp_path / "through"
        opened("rw", endpoint, through)
        running = apart("cp", f"scratch:{own}", "down/file", folder=through)
        while running.poll() is None and not any(path.stat().st_size for path in Path("down").iterdir()):
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 130
        running.communicate()
    assert list(Path("down").iterdir()) == []


def _through(folder: Path, endpoint: str, other: str, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_text(file.read_text().replace(endpoint, other))
    return target


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
