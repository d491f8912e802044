"""Throw-away platforms behind rehearsed clouds, which a folder's tests share: its conftest.py imports them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehearsal.rented import platforms
from rehearsal.rented.platforms import Rehearsed
from tests.support.cluster import throwaway_home

ACCOUNT, PROJECT, REGION, CLUSTER = "123456789012", "churn-rehearsed", "eu-central-1", "churn-dev"


@pytest.fixture(scope="package")
def rehearsal_home() -> Iterator[Path]:
    """Where rehearsed clouds and the platforms behind them are; wiped after the folder's tests, or by the next run."""
    with throwaway_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv(platforms.HOME, str(home))
        yield home


@pytest.fixture(scope="package")
def rented(rehearsal_home: Path) -> dict[str, Rehearsed]:
    """An account or project of each cloud (`aws`, `gcp`), and a cluster in it (`eks`, `gke`), all started at once."""
    found = {
        "aws": Rehearsed("aws", ACCOUNT, REGION),
        "eks": Rehearsed("aws", ACCOUNT, REGION, CLUSTER),
        "gcp": Rehearsed("gcp", PROJECT, REGION),
        "gke": Rehearsed("gcp", PROJECT, REGION, CLUSTER),
    }
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(Rehearsed.start, found.values()))
    return found
