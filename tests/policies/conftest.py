"""How hypothesis runs here, and an API server with the admission policies in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rehearsal.platform import Platform
from tests.policies.api_server import ApiServer

# A shared runner stalls now and then; a deadline would make that a failure. No database: a run depends on nothing old.
settings.register_profile("terrarium", deadline=None, database=None, derandomize=True)
settings.load_profile("terrarium")


@pytest.fixture(scope="module")
def api_server(platform_home: Path) -> Iterator[ApiServer]:
    """A platform of its own: admission policies bind the whole of one, and other tests share theirs."""
    platform = Platform("admission", platform_home, nodes=1)
    platform.start()
    yield ApiServer(platform)
    platform.reset()
