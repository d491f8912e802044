"""How many times a job runs: `--array 0-19`, or `0-999%50` for at most 50 at a time. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from terrarium.errors import InvalidInput

MOST = 10_000
"""Indexes at most: what an indexed Job takes with a bound on retries (kubernetes.io, "Backoff limit per index")."""
_FORM = re.compile(r"0-(?P<last>[0-9]{1,9})(?:%(?P<most>[0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class Array:
    """Indexes from 0 on.

    Args:
        count: How many.
        at_a_time: How many at a time at most; None for as many as there is room for.
    """

    count: int
    at_a_time: int | None = None


def parse(text: str) -> Array:
    """Return what was said.

    Args:
        text: `0-LAST`, or `0-LAST%MOST`.

    Raises:
        InvalidInput: If it is no such thing.
    """
    match = _FORM.fullmatch(text)
    if not match:
        raise InvalidInput(
            f"array: `{text}` is not 0-LAST, such as 0-19, or 0-999%50 for at most 50 at a time; indexes begin at 0"
        )
    count, most = int(match["last"]) + 1, match["most"]
    if count > MOST:
        raise InvalidInput(f"array: {count:,} are too many; a job has {MOST:,} indexes at most")
    if most is not None and int(most) == 0:
        raise InvalidInput("array: none at a time is no job; leave `%0` out")
    return Array(count, None if most is None else int(most))
