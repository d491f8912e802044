from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rehearsal.platform import Platform
from terrarium import store_commands
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from terrarium.errors import CommandFailed
from tests.client.stores import Servers, make, make_lake, servers

ENVIRONMENT = "churn-client"

# The sub-command by itself, with the command's own endings.
_RUN = "import terrarium.cli as c, terrarium.store_commands as s; c.app = s.app; c.main()"

Open = Callable[..., Environment]


@pytest.fixture(scope="session", autouse=True)
def _no_shell() -> Iterator[None]:
    """Tests must not depend on the variables of whoever runs them; and the client must not either."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("AWS_", "PG", "TERRARIUM_")) and name != "TERRARIUM_PARTS":
            patch.delenv(name)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def server(embedded_platform: Platform) -> Servers:
    return servers(embedded_platform)


@pytest.fixture(scope="session")
def folders(server: Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with each identity's files, as pods have them."""
    return make(server, ENVIRONMENT, tmp_path_factory.mktemp("folders"), make_lake(server))


@pytest.fixture
def opened(folders: dict[str, Path]) -> Iterator[Open]:
    """Open the environment by an identity, over another endpoint if one is given."""
    environments = []

    def open_(identity: str = "rw", endpoint: str | None = None, folder: Path | None = None) -> Environment:
        path = folders[identity]
        if endpoint is not None:
            assert folder is not None
            folder.mkdir(exist_ok=True)
            for file in path.iterdir():
                text = file.read_text()
                (folder / file.name).write_text(text.replace(_endpoint(path), endpoint))
            path = folder
        environments.append(Environment(Folder(path)))
        return environments[-1]

    yield open_
    for one in environments:
        one.close()


def _endpoint(folder: Path) -> str:
    return Folder(folder).connection(None, ("rw", "ro")).objects.endpoint


@pytest.fixture
def store(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in this process: Python's start takes as long as most of them do."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0, identity: str = "rw", given: str = "", folder: Path | None = None) -> str:
        monkeypatch.setenv("TERRARIUM_STORE", str(folder or folders[identity]))
        done = CliRunner().invoke(store_commands.app, arguments, input=given)
        if code:
            assert isinstance(done.exception, CommandFailed), done.output
            assert done.exception.code == code
            return str(done.exception)
        assert (done.exit_code, done.exception) == (0, None), done.output
        return done.output

    return run


@pytest.fixture
def apart(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a command as a process of its own."""
    monkeypatch.chdir(tmp_path)

    def start(*arguments: str, folder: Path | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERRARIUM_STORE": str(folder or folders["rw"])},
        )

    return start
