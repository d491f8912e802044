"""How a command ends when it can't do what was asked."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    DONE = 0
    FAILED = 1
    """The engine or a part it needs failed; the message says which."""
    INVALID = 2
    """What was declared or typed is not valid; nothing was changed."""
    REFUSED = 3
    """It is valid, but a rule or somebody's running operation forbids it; nothing was changed."""
    CHANGES = 4
    """`--expect-no-changes` was given and there are changes."""
    INTERRUPTED = 130
    """Interrupted from outside; what had begun was let end. As shells say it: 128 and the signal's number."""


class CommandFailed(Exception):  # noqa: N818 - the base of those below
    """A command that ends with a message for people.

    Args:
        message: What is wrong, where, and what to do.
        details: The same for `--json`.
    """

    code = Exit.FAILED

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class EngineFailed(CommandFailed):
    """The engine ended with an error; the message holds its diagnostics."""


class InvalidInput(CommandFailed):
    """What was typed, or a file that belongs to the checkout, is not valid."""

    code = Exit.INVALID


class Refused(CommandFailed):
    """The request is understood and denied."""

    code = Exit.REFUSED
