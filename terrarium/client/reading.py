"""Reading much of an object into memory at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from terrarium.client.objects import CONCURRENCY, MEBIBYTE

if TYPE_CHECKING:
    from obstore import Bytes
    from obstore.store import S3Store

PIECE = 16 * MEBIBYTE
"""Bytes of one request. One request for 64 MiB took twice as long as four at a time, also on loopback."""


def read(store: S3Store, key: str, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of an object from one to before another.

    Args:
        store: Where it is.
        key: Its key.
        start: The first byte.
        end: Before which byte to end; by default the object's end.

    Raises:
        BaseError: obstore's, if it can't be read, or was replaced meanwhile.
    """
    bound = None if start == 0 and end is None else (start, start + PIECE if end is None else min(start + PIECE, end))
    got = store.get(key, options={"range": bound} if bound else None)
    last = got.meta["size"] if end is None else min(end, got.meta["size"])
    if bound is None and last > PIECE:
        # What was asked for arrives as it is read: nothing has, and the request is dropped.
        return read(store, key, 0, last)
    first = got.bytes()
    if start + len(first) >= last:
        return first.to_bytes()
    tag = got.meta["e_tag"]

    def piece(begin: int) -> Bytes:
        # Of the same object: one that was replaced in between would be put together from both.
        return store.get(key, options={"range": (begin, min(begin + PIECE, last)), "if_match": tag}).bytes()

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        return b"".join([first, *threads.map(piece, range(start + len(first), last, PIECE))])
