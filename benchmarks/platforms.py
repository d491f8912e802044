"""How fast the embedded platform starts from nothing but its binaries, and what it then holds in memory."""

from __future__ import annotations

import time

from benchmarks import workshop
from benchmarks.figures import Figure, Spread
from rehearsal.platform import Platform
from rehearsal.progress import Report, Silent

START_TARGET = 10.0
"""Seconds."""
MEMORY_TARGET = 1024.0
"""MiB resident, all parts."""
STARTS = 5
# The controllers fill their caches for some seconds after the platform is ready (seconds).
_SETTLING = 5.0
_MEBIBYTE = 1 << 20


def measure(report: Report) -> list[Figure]:
    """Start a platform `STARTS` times from nothing: no certificates, no data, no ports chosen."""
    seconds, memory = [], []
    for number in range(STARTS):
        report.step(f"Starting a platform: {number + 1} of {STARTS}")
        with workshop.workshop() as folder:
            platform = workshop.platform(folder)
            start = time.perf_counter()
            platform.start(Silent())
            seconds.append(time.perf_counter() - start)
            memory.append(_peak(platform))
    return [
        Figure("first start of a platform", "s", ours=Spread(tuple(seconds)), target=START_TARGET),
        Figure("resident memory of a platform", "MiB", ours=Spread(tuple(memory)), target=MEMORY_TARGET),
    ]


def _peak(platform: Platform) -> float:
    """Return the most that all parts together held while the platform settled, in MiB."""
    end = time.monotonic() + _SETTLING
    most = 0
    while time.monotonic() < end:
        most = max(most, platform.status().memory)
        time.sleep(0.5)
    return most / _MEBIBYTE
