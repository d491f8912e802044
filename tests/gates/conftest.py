from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gates.ground import Ground
from tests.gates.provider import Anything, serving


@pytest.fixture(scope="session")
def plugin() -> Iterator[tuple[Anything, str]]:
    anything = Anything()
    with serving(anything) as providers:
        yield anything, providers


@pytest.fixture
def ground(plugin: tuple[Anything, str], tmp_path: Path) -> Ground:
    """A new project."""
    anything, providers = plugin
    anything.made.clear()
    return Ground(tmp_path, providers, anything)


@pytest.fixture(scope="module")
def shared_ground(plugin: tuple[Anything, str], tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A project whose runs only plan."""
    anything, providers = plugin
    return Ground(tmp_path_factory.mktemp("ground"), providers, anything)
