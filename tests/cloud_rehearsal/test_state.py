from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.cloud.state import HOME, State, home
from rehearsal.cloud.table import Thing
from rehearsal.plugins.resource import ProviderError

WRITER = """
import sys
from pathlib import Path
from rehearsal.cloud.state import State
from rehearsal.cloud.table import Thing

state = State("aws", {"writers": 0}, Path(sys.argv[1]))
for number in range(25):
    state.put(Thing("ec2/vpc:Vpc", f"{sys.argv[2]}-{number}", "1", "r", "", {}, {}))
    state.note("create", "ec2/vpc:Vpc", sys.argv[2], "done")
"""


def thing(identifier: str = "vpc-1") -> Thing:
    return Thing("ec2/vpc:Vpc", identifier, "1", "r", "n", {"a": 1}, {"arn": "x", "_own": 2})


def test_plugins_at_once_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "new")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = [subprocess.Popen([*command, name], env=environment) for name in "abcd"]
    try:
        assert [one.wait(120) for one in running] == [0, 0, 0, 0]
    finally:
        for one in running:
            one.kill()
    state = State("aws", {}, tmp_path / "new")
    assert len(state.things()) == 100
    assert state.count("create", "ec2/vpc:Vpc", "a") == 25


def test_what_is_put_is_found_changed_and_removed(tmp_path: Path) -> None:
    state = State("aws", {}, tmp_path)
    state.put(thing())
    assert state.things() == [thing()]
    assert thing().values() == {"a": 1, "arn": "x", "id": "vpc-1"}
    state.remove(thing())
    assert state.things() == []


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    state = State("aws", {}, tmp_path)

    def halfway() -> None:
        with state.rows() as rows:
            state.put(thing(), rows)
            rows.execute("SELECT 1 FROM nowhere")

    with pytest.raises(sqlite3.OperationalError):
        halfway()
    assert state.things() == []


def test_settings_that_were_changed_stay(tmp_path: Path) -> None:
    State("aws", {"zones": ["a"], "account": "1"}, tmp_path).set(zones=["b"])
    assert State("aws", {"zones": ["a"], "new": 1}, tmp_path).settings() == {"zones": ["b"], "account": "1", "new": 1}


def test_a_row_that_a_person_wrote_need_not_have_all(tmp_path: Path) -> None:
    state = State("aws", {}, tmp_path)
    rows = sqlite3.connect(state.file)
    with rows:
        rows.execute("INSERT INTO resources (id, type, account) VALUES ('vpc-2', 'ec2/vpc:Vpc', '1')")
    rows.close()
    assert state.things() == [Thing("ec2/vpc:Vpc", "vpc-2", "1", "", "", {}, {})]


def test_a_row_that_a_person_broke_is_named(tmp_path: Path) -> None:
    state = State("aws", {}, tmp_path)
    with state.rows() as rows:
        rows.execute("INSERT INTO resources (id, type, account, inputs) VALUES ('vpc-2', 'ec2/vpc:Vpc', '1', '{')")
    with pytest.raises(ProviderError, match=r"the row of ec2/vpc:Vpc vpc-2 .* is no JSON"):
        state.things()


def test_the_file_is_where_the_variable_says_and_its_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "there"))
    assert home() == tmp_path / "there"
    file = State("gcp", {}).file
    assert file == tmp_path / "there" / "gcp.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.delenv(HOME)
    assert home().parts[-2:] == (".terrarium", "cloud")
