"""A throw-away platform for tests. Import the fixture you need into the folder's conftest.py."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.build import build
from rehearsal.platform import Platform
from rehearsal.progress import Silent
from tests.support import scratch


@contextmanager
def throwaway_home() -> Iterator[Path]:
    """Give a folder for platforms; at the end reset those in it and delete it.

    A test run that was killed can't do that: the next one finds its folder without a lock and does it.
    """
    # Short: it is part of every path, and a Unix socket's path has at most 107 characters.
    base, held = _locked_base()
    try:
        for left in scratch.inside(base):
            with _lock(left) as abandoned:
                if abandoned:
                    _wipe(left)
        home = Path(tempfile.mkdtemp(dir=base))
        mine = os.open(home, os.O_RDONLY)
        fcntl.flock(mine, fcntl.LOCK_EX)
    finally:
        os.close(held)
    try:
        yield home
    finally:
        _wipe(home)
        os.close(mine)
        with suppress(OSError):
            base.rmdir()


@pytest.fixture(scope="session")
def platform_home() -> Iterator[Path]:
    """A folder for platforms that is wiped at the end of the run."""
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def embedded_platform(platform_home: Path) -> Platform:
    """A running platform that the whole run shares: keep to namespaces of your own, and leave it running."""
    platform = Platform("test", platform_home)
    platform.start()
    return platform


def kubectl(kubeconfig: Path, *arguments: str, manifest: Mapping[str, Any] | None = None) -> str:
    """Run the pinned kubectl and return what it prints; a refusal raises AssertionError with its message."""
    done = try_kubectl(kubeconfig, *arguments, manifest=manifest)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def try_kubectl(
    kubeconfig: Path, *arguments: str, manifest: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the pinned kubectl and return how it ended."""
    program = build(["kubernetes"], Silent())["kubernetes"] / "kubectl"
    return subprocess.run(
        [program, "--kubeconfig", kubeconfig, *arguments],
        input=yaml.safe_dump(dict(manifest)) if manifest else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _locked_base() -> tuple[Path, int]:
    """Return the folder of all runs, and a descriptor that holds its lock."""
    while True:
        base = scratch.base("tests", scratch.fast())
        descriptor = scratch.opened(base)
        if descriptor is None:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another run, at its end, may have removed it while this one waited.
        with suppress(FileNotFoundError):
            if os.path.samestat(base.lstat(), os.fstat(descriptor)):
                return base, descriptor
        os.close(descriptor)


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Give whether nobody else held the lock of a folder, which is held meanwhile."""
    descriptor = scratch.opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _wipe(home: Path) -> None:
    # Those behind rehearsed clouds are a folder further down (rehearsal.rented.platforms).
    for place in (home / "platforms", home):
        for folder in scratch.inside(place) if place.is_dir() else ():
            Platform(folder.name, place).reset()
    shutil.rmtree(home, ignore_errors=True)
