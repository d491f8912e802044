"""Many requests at one time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 16
"""Requests at one time."""


def at_once(work: Callable[[T], object], items: Iterable[T], done: Callable[[int], None]) -> None:
    """Do something with each item, sixteen at a time; the first failure ends it.

    Args:
        work: What to do.
        items: The items.
        done: Takes how many are done so far.
    """
    count = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="objects") as pool:
        try:
            # In batches: a hundred thousand waiting requests are memory for nothing.
            for batch in batches(items, AT_ONCE * 64):
                for future in as_completed([pool.submit(work, item) for item in batch]):
                    future.result()
                    count += 1
                    done(count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of a size, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
