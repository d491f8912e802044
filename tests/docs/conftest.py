"""Fixtures for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.clone import clone

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def checkout(root: Path) -> Iterator[Path]:
    """A fresh copy of the checkout, shared by the pages: the README's commands set it up."""
    with clone(root) as folder:
        yield folder
