from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal.cloud.aws import CLOUD
from rehearsal.cloud.provider import CloudProvider
from rehearsal.cloud.state import State
from rehearsal.plugins.serving import EngineLog

# The engine, and a project on it.
from tests.plugins.conftest import engine, parts, project  # noqa: F401
from tests.support.rented import rehearsal_home, rented  # noqa: F401

from .driver import Driver, Imagined

ACCOUNT, REGION = "123456789012", "eu-central-1"
TAGS = '{"tags": {"environment": "churn-dev"}}'


class Told(EngineLog):
    """What a person would see."""

    def __init__(self) -> None:
        super().__init__("")
        self.lines: list[str] = []

    def __call__(self, _severity: object, message: str, _urn: str = "", *, passing: bool = False) -> None:
        self.lines += [] if passing else [message]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State("aws", CLOUD.settings, tmp_path)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def part() -> Imagined:
    return Imagined()


@pytest.fixture
def aws(state: State, told: Told, part: Imagined) -> Driver:
    """A provider of an account, with nothing real behind it."""
    provider = CloudProvider(told, CLOUD, state)
    provider.ledger = replace(provider.ledger, part=lambda _name: part)
    driver = Driver(provider)
    driver.configure(region=REGION, allowedAccountIds=f'["{ACCOUNT}"]', defaultTags=TAGS)
    return driver
