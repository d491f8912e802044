"""A shelf in memory, and one that fails where it is told to."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

from terrarium.inside.shelf import Shelf


class MemoryShelf:
    """Objects in memory; each call is atomic, as a store's are."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, content: Path | bytes) -> None:
        data = content.read_bytes() if isinstance(content, Path) else content
        with self._lock:
            self.objects[key] = data

    def create(self, key: str, content: bytes) -> bool:
        with self._lock:
            return self.objects.setdefault(key, content) is content

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self.objects.get(key)

    def fetch(self, key: str, target: Path) -> None:
        content = self.get(key)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, f"{key} does not exist")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def names(self, folder: str) -> Iterator[str]:
        with self._lock:
            found = sorted(key for key in self.objects if key.startswith(f"{folder}/"))
        yield from found


class Faulty:
    """A shelf whose store goes away at one step: before it is done, or after, so that only the answer is lost.

    Args:
        shelf: The shelf.
        step: The step, from 0 on; None for none.
        after: Whether the step is done.
    """

    def __init__(self, shelf: Shelf, step: int | None = None, *, after: bool = False) -> None:
        self._shelf = shelf
        self._step = step
        self._after = after
        self._lock = threading.Lock()
        self.steps = 0

    def _gone(self) -> bool:
        """Count a step, and tell whether the store is gone from now on."""
        with self._lock:
            self.steps += 1
            return self._step is not None and self.steps > self._step + self._after

    def _check(self) -> None:
        if self._gone():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the store does not answer")

    def _answer(self) -> None:
        if self._after and self._step is not None and self.steps == self._step + 1:
            raise ConnectionResetError(errno.ECONNRESET, "the answer was lost")

    def put(self, key: str, content: Path | bytes) -> None:
        self._check()
        self._shelf.put(key, content)
        self._answer()

    def create(self, key: str, content: bytes) -> bool:
        self._check()
        made = self._shelf.create(key, content)
        self._answer()
        return made

    def get(self, key: str) -> bytes | None:
        self._check()
        return self._shelf.get(key)

    def fetch(self, key: str, target: Path) -> None:
        self._check()
        self._shelf.fetch(key, target)

    def names(self, folder: str) -> Iterator[str]:
        self._check()
        yield from self._shelf.names(folder)
