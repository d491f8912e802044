"""Proves: `terrarium store` copies as a whole or not at all, repeats nothing, and ends with an honest exit code."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.flaky import flaky
from tests.client.stores import Servers

MEBIBYTE = 1 << 20
# The sub-command by itself, with the command's own endings.
_RUN = "import terrarium.cli as c, terrarium.store_commands as s; c.app = s.app; c.main()"


@pytest.fixture
def store(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(
        *arguments: str, code: int = 0, identity: str = "rw", given: bytes = b"", folder: Path | None = None
    ) -> str:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments],
            input=given,
            capture_output=True,
            env={**os.environ, "TERRARIUM_STORE": str(folder or folders[identity])},
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return (done.stdout if code == 0 else done.stderr).decode()

    return run


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


def test_pipes(store: Any, own: str) -> None:
    store("cp", "-", f"scratch:{own}", given=b"from a pipe")
    assert store("cp", f"scratch:{own}", "-") == "from a pipe"


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
    assert store("sql", "-", "--csv", given=b"select a from measured") == "a\n1\n2\n"
    assert "1  x" in store("sql", "select * from measured")


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


def test_a_download_that_is_ended_leaves_nothing(store: Any, own: str, folders: dict[str, Path]) -> None:
    with Path("up").open("wb") as file:
        file.truncate(256 * MEBIBYTE)
    store("cp", "up", f"scratch:{own}")
    Path("down").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-c", _RUN, "cp", f"scratch:{own}", "down/file"],
        env={**os.environ, "TERRARIUM_STORE": str(folders["rw"])},
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None and not list(Path("down").iterdir()):
        time.sleep(0.005)
    running.send_signal(signal.SIGTERM)
    code = running.wait(60)
    left = list(Path("down").iterdir())
    # Either it was ended and left nothing, or it was quicker and the file is whole.
    assert (code, left) == (130, []) or (code == 0 and left[0].stat().st_size == 256 * MEBIBYTE)


def _through(folder: Path, endpoint: str, other: str, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_text(file.read_text().replace(endpoint, other))
    return target


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
