"""The few things that are done to the store around a command."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from terrarium.client.faults import told
from terrarium.client.objects import CONCURRENCY, part_size
from terrarium.client.whole import whole
from terrarium.inside.layout import KIND

if TYPE_CHECKING:
    from terrarium.client.store import Store


class Shelf(Protocol):
    """Objects of one kind."""

    def put(self, key: str, content: Path | bytes) -> None:
        """Write an object, in place of the one of this key."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object if there is none of this key; tell whether it was written."""

    def get(self, key: str) -> bytes | None:
        """Return an object's content, or None."""

    def fetch(self, key: str, target: Path) -> None:
        """Write an object to a file, which has its name only when it is whole."""

    def names(self, folder: str) -> Iterator[str]:
        """Yield the keys of all objects below a folder."""


class StoreShelf:
    """A shelf of a store, with the client's patience and messages; all may raise OSError.

    Args:
        store: The store.
        kind: The kind of objects.
    """

    def __init__(self, store: Store, kind: str = KIND) -> None:
        self._connection = store.connection
        self._kind = kind
        self._objects = store.objects(kind)

    def put(self, key: str, content: Path | bytes) -> None:
        """Write an object; see `Shelf`."""
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        with told(self._connection, self._place(key)):
            self._objects.put(key, content, chunk_size=part_size(size), max_concurrency=CONCURRENCY)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object if there is none; see `Shelf`."""
        try:
            with told(self._connection, self._place(key)):
                self._objects.put(key, content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            # Some stores know no such condition. What may then happen is that a later attempt's marker replaces
            # an earlier one's, both of which name the whole of an attempt that succeeded.
            if error.errno != errno.ENOSYS:
                raise
            if self.get(key) is not None:
                return False
            self.put(key, content)
        return True

    def get(self, key: str) -> bytes | None:
        """Return an object's content; see `Shelf`."""
        try:
            with told(self._connection, self._place(key)):
                return self._objects.get(key).bytes().to_bytes()
        except FileNotFoundError:
            return None

    def fetch(self, key: str, target: Path) -> None:
        """Write an object to a file; see `Shelf`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with told(self._connection, self._place(key)), whole(target) as file:
            for piece in self._objects.get(key).stream():
                file.write(piece)

    def names(self, folder: str) -> Iterator[str]:
        """Yield keys; see `Shelf`."""
        with told(self._connection, self._place(folder)):
            for page in self._objects.list(f"{folder}/"):
                # An empty object that ends with `/` marks a folder, and is no file.
                yield from (item["path"] for item in page if item["path"] != folder)

    def _place(self, key: str) -> str:
        return f"{self._kind}:{key}"
