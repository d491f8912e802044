"""What the commands print and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform, cli


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch, embedded_platform: Platform) -> None:
    home = embedded_platform.folder.parent
    monkeypatch.setattr(cli, "Platform", lambda name, **more: Platform(name, home, **more))


@pytest.mark.usefixtures("_here")
def test_status_and_start_say_where_everything_is(embedded_platform: Platform) -> None:
    for command in ("status", "start"):
        done = CliRunner().invoke(cli.app, [command, "test"])
        assert done.exit_code == 0
        assert "Platform 'test': ready" in done.stdout
        assert f"kubectl --kubeconfig {embedded_platform.kubeconfig} get nodes" in done.stdout
        assert "No container runs" in done.stdout
        found = json.loads(CliRunner().invoke(cli.app, [command, "test", "--json"]).stdout)
        assert found["ready"] is True
        assert [part["name"] for part in found["parts"] if not part["real"]] == ["kwok"]


@pytest.mark.usefixtures("_here")
def test_status_of_what_does_not_run_ends_with_three() -> None:
    done = CliRunner().invoke(cli.app, ["status", "absent"])
    assert done.exit_code == 3
    assert "To bring it up: python -m rehearsal platform start absent" in done.stdout
    assert json.loads(CliRunner().invoke(cli.app, ["status", "absent", "--json"]).stdout)["running"] is False


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("command", ["stop", "reset"])
def test_stop_and_reset_of_what_does_not_run_are_fine(command: str) -> None:
    assert CliRunner().invoke(cli.app, [command, "absent"]).exit_code == 0
    assert json.loads(CliRunner().invoke(cli.app, [command, "absent", "--json"]).stdout)["name"] == "absent"


def test_an_error_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, name: str, **_: object) -> None:
            raise RehearsalError(f"nothing to be done about {name}")

    monkeypatch.setattr(cli, "Platform", Broken)
    done = CliRunner().invoke(cli.app, ["start", "[red]x"])
    assert done.exit_code == 1
    assert done.stderr == "nothing to be done about [red]x\n"


def test_errors_are_sentences_even_where_the_home_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RehearsalError, match="can't be written"):
        Platform("x", tmp_path / "file").start()
