from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from terrarium.client.environment import Environment
from terrarium.client.sources import Folder
from tests.client.stores import Servers, make, make_lake, servers

ENVIRONMENT = "churn-client"

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
