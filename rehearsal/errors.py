"""The one error that is meant for the person at the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class RehearsalError(Exception):
    """Something a person can put right.

    The text says what is wrong, where, and what to do. Commands print it as it is, without a stack trace.
    """


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the system refuses (a full disk, a folder of somebody else's) into an error for people.

    Args:
        what: What was tried, such as `The cache can't be written`.

    Raises:
        RehearsalError: In place of an OSError; it names the file and the reason.
    """
    try:
        yield
    except OSError as error:
        raise RehearsalError(f"{what}: {error}. Check free space and whom the folder belongs to.") from error
