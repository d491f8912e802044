"""An environment on the embedded platform, with data to lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.platform import Platform
from tests.backup.data import Data
from tests.support.checkout import Checkout
from tests.support.declared import environment, with_store


def declaration(platform: Platform, name: str, **more: object) -> dict[str, object]:
    """Return an environment's settings, restorable to any time, with one bucket."""
    cloud = with_store(platform)
    command = ["terrarium-database-at", platform.name, "--home", str(platform.folder.parent)]
    cloud["store"]["database"]["point_in_time"] = command
    return environment("drill", name, "experimentation", cloud, buckets={"alice-b": {}}, **more)


@pytest.fixture(scope="package")
def embedded_platform(platform_home: Path) -> Iterator[Platform]:
    """A platform of these tests' own: what they bring up stays, and would be in the way of others' on a shared one."""
    platform = Platform("drill", platform_home, nodes=1)
    platform.start()
    yield platform
    platform.reset()


@pytest.fixture(scope="package")
def checkout(tmp_path_factory: pytest.TempPathFactory, embedded_platform: Platform) -> Checkout:
    checkout = Checkout.with_shared_platform(tmp_path_factory.mktemp("drill"), embedded_platform)
    checkout.declare("old", "environment", **declaration(embedded_platform, "old"))
    checkout.bring_up("old")
    return checkout


@pytest.fixture
def old(checkout: Checkout, embedded_platform: Platform) -> Data:
    """The environment whose data is lost."""
    return Data.of(checkout, embedded_platform, "old")


@pytest.fixture
def stack_file(checkout: Checkout) -> Path:
    return checkout.folder / "Pulumi.old.yaml"
