"""`make up` in a fresh clone of the commit that is checked out, with every binary built before."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks import workshop
from benchmarks.figures import Figure, Spread
from rehearsal import paths
from rehearsal.build import build
from rehearsal.progress import Report

TARGET = 60.0
"""Seconds, on 2 cores."""
RUNS = 3


def measure(report: Report) -> list[Figure]:
    """Clone, make the virtual environment, `make up`, wipe; `RUNS` times."""
    build(["pulumi", "kubernetes", "kwok"], report)
    environments, wholes = [], []
    for number in range(RUNS):
        with workshop.workshop() as folder:
            report.step(f"Setting up a fresh clone: {number + 1} of {RUNS}")
            copy = workshop.clone(folder)
            workshop.run(["git", "clone", "--quiet", paths.root(), copy], folder, workshop.bare_environment())
            start = time.perf_counter()
            _make(copy, ".venv/runtime.stamp")
            environments.append(time.perf_counter() - start)
            report.step(f"Bringing up dev in a fresh clone: {number + 1} of {RUNS}")
            _make(copy, "up")
            wholes.append(time.perf_counter() - start)
            workshop.reset_clone(folder)
    return [
        Figure("make up in a fresh clone, all built", "s", ours=Spread(tuple(wholes)), target=TARGET),
        Figure("  of which: the virtual environment", "s", ours=Spread(tuple(environments)), target=None),
    ]


def bring_up(folder: Path) -> Path:
    """Return a fresh clone in a workshop whose `dev` is up; `workshop.reset_clone` ends it.

    Args:
        folder: The workshop.
    """
    copy = workshop.clone(folder)
    workshop.run(["git", "clone", "--quiet", paths.root(), copy], folder, workshop.bare_environment())
    _make(copy, "up")
    return copy


def _make(copy: Path, target: str) -> None:
    # The interpreter below our virtual environment: a `python3` on PATH may be another or too old one.
    python = f"PYTHON={Path(sys.base_prefix, 'bin', 'python3')}"
    workshop.run(["make", "--no-print-directory", python, target], copy, workshop.bare_environment())
