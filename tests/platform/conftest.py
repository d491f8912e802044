from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.platform import Platform


class Listener:
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, int | None]] = []
        self.notes: list[str] = []

    def step(self, text: str, *, done: int | None = None, left: int | None = None) -> None:
        self.steps.append((text, done, left))

    def detail(self, text: str) -> None:
        """Not asked for by any test."""

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def _broken_at_will(platform_home: Path) -> Iterator[Platform]:
    platform = Platform("faults", platform_home, nodes=1)
    yield platform
    platform.reset()


@pytest.fixture
def faulty(_broken_at_will: Platform) -> Platform:
    """A running platform of one node that a test may break in any way."""
    _broken_at_will.start()
    return _broken_at_will
