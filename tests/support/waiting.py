"""Waiting for what happens elsewhere, on machines that may be busy with much else."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds. Only a test that fails waits so long: a busy machine makes everything slow, and nothing wrong."""


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {PATIENCE:.0f} s"
        time.sleep(0.01)
