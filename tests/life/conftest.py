from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from tests.support.checkout import Checkout


@pytest.fixture(scope="session")
def production_platform(platform_home: Path) -> Platform:
    """A second platform: production shares none."""
    platform = Platform("production", platform_home, nodes=1)
    platform.start()
    return platform


@pytest.fixture(scope="session")
def new_checkout(
    tmp_path_factory: pytest.TempPathFactory, embedded_platform: Platform, production_platform: Platform
) -> Callable[[], Checkout]:
    """Give a function that makes an empty checkout on the two platforms."""
    platforms = {
        "experimentation": embedded_platform,
        "testing": embedded_platform,
        "production": production_platform,
    }
    return lambda: Checkout(tmp_path_factory.mktemp("checkout"), platforms)
