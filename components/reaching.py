"""What a cloud finds out while it is asked, told as the engine tells it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pulumi

from components.contract import NotReached


@contextmanager
def found_out() -> Iterator[None]:
    """End the program with what a cloud found, without a stack trace.

    Raises:
        RunError: In place of `NotReached`.
    """
    try:
        yield
    except NotReached as error:
        raise pulumi.RunError(str(error)) from None
