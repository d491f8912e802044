"""Reading objects, each of one version: what replaces it meanwhile must not be mixed into it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from terrarium.client.objects import CONCURRENCY, MEBIBYTE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import Bytes, GetOptions
    from obstore.store import ObjectStore

PIECE = 16 * MEBIBYTE
"""Bytes of one request. One request for 64 MiB took twice as long as four at a time, also on loopback."""


def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None, tag: str | None = None) -> bytes:
    """Return the bytes of an object from one to before another.

    Args:
        store: Where it is.
        key: Its key.
        start: The first byte.
        end: Before which byte to end; by default the object's end.
        tag: ETag of the only version that may be read; by default the one that is there now.

    Raises:
        BaseError: obstore's, if it can't be read, or was replaced meanwhile.
    """
    bound = None if start == 0 and end is None else (start, start + PIECE if end is None else min(start + PIECE, end))
    got = store.get(key, options=_options(bound, tag))
    last = got.meta["size"] if end is None else min(end, got.meta["size"])
    tag = got.meta["e_tag"]
    if bound is None and last > PIECE:
        # What was asked for arrives as it is read: nothing has, and the request is dropped. Its tag stays: a shorter
        # object that came in between was cut at the size of the one before.
        return read(store, key, 0, last, tag)
    first = got.bytes()
    if start + len(first) >= last:
        return first.to_bytes()

    def piece(begin: int) -> Bytes:
        return store.get(key, options=_options((begin, min(begin + PIECE, last)), tag)).bytes()

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        return b"".join([first, *threads.map(piece, range(start + len(first), last, PIECE))])


def _options(bound: tuple[int, int] | None, tag: str | None) -> GetOptions:
    options: GetOptions = {}
    if bound is not None:
        options["range"] = bound
    if tag is not None:
        options["if_match"] = tag
    return options


class Reader(io.BufferedReader):
    """An object that was opened to be read: one version of it, from the first byte to the last.

    obstore's own reader names no version: of an object that was replaced it gave some bytes of each.

    Args:
        fs: The file system, as every fsspec file has it.
        details: What is known of the object: `name`, `size` in bytes, `e_tag`.
        fetch: Returns the bytes from one to before another.
        ahead: Bytes of one request, of which many small reads are served.
    """

    def __init__(self, fs: Any, details: Mapping[str, Any], fetch: Callable[[int, int], bytes], ahead: int) -> None:
        self.fs = fs
        self.details = details
        self.path: str = details["name"]
        self.size: int = details["size"]
        super().__init__(_Raw(self.path, self.size, fetch), max(1, min(ahead, self.size)))


class _Raw(io.RawIOBase):
    """Each read is a request."""

    def __init__(self, name: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.name = name
        self.mode = "rb"
        self._size = size
        self._fetch = fetch
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self.name} has no byte {base + offset}")
        self._at = base + offset
        return self._at

    def readall(self) -> bytes:
        return self._next(self._size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(self._at + len(view))
        view[: len(data)] = data
        return len(data)

    def _next(self, end: int) -> bytes:
        end = min(end, self._size)
        data = self._fetch(self._at, end) if end > self._at else b""
        self._at += len(data)
        return data
