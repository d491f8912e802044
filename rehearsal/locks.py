"""Locks between processes that end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`, made if missing and left in place.

    Args:
        path: The lock file; its folder exists.
        waiting: Called once if somebody else holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(descriptor, waiting)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_folder(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock on a folder itself, made if missing with mode 0700, so that the lock leaves no file behind.

    The holder may delete the folder. Whoever waited then finds its lock on a folder that is gone, and makes it anew.
    """
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            _wait(descriptor, waiting)
            if _is_still(folder, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _wait(descriptor: int, waiting: Callable[[], None] | None) -> None:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    if waiting:
        waiting()
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_still(folder: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    return False
