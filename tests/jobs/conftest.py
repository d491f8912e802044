from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from tests.client.stores import Servers, make, make_lake, servers

ENVIRONMENT = "churn-jobs"


@pytest.fixture(scope="session", autouse=True)
def _no_shell() -> Iterator[None]:
    """Tests must not depend on the variables of whoever runs them."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(("AWS_", "PG", "TERRARIUM_", "JOB_")) and name != "TERRARIUM_PARTS":
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
