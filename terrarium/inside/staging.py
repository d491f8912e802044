"""Brings declared inputs from the store into the working folder."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from terrarium.client.objects import CONCURRENCY
from terrarium.inside.orders import Input
from terrarium.inside.shelf import Shelf


def stage(inputs: tuple[Input, ...], shelf_of: Callable[[str], Shelf], folder: Path) -> int:
    """Bring inputs, and return how many files they are.

    Args:
        inputs: The inputs.
        shelf_of: Returns the shelf of a kind of objects.
        folder: The working folder.

    Raises:
        OSError: If one does not exist or can't be had.
    """
    wanted = [(shelf_of(one.kind), key, folder / path) for one in inputs for key, path in _files(one, shelf_of)]
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        # A list: results that nobody takes hide what went wrong.
        return len(list(threads.map(lambda each: each[0].fetch(each[1], each[2]), wanted)))


def _files(one: Input, shelf_of: Callable[[str], Shelf]) -> Iterator[tuple[str, str]]:
    """Yield key and path of each file of an input."""
    if not one.folder:
        yield one.key, one.path
        return
    found = False
    for key in shelf_of(one.kind).names(one.key):
        relative = key.removeprefix(f"{one.key}/")
        if ".." in relative.split("/"):
            raise OSError(errno.EINVAL, f"{one.kind}:{key} would leave the working folder")
        found = True
        yield key, f"{one.path}/{relative}"
    if not found:
        raise FileNotFoundError(errno.ENOENT, f"{one.kind}:{one.key}/ does not exist, or holds nothing")
