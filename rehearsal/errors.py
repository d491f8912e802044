"""The one error that is meant for the person at the terminal."""

from __future__ import annotations


class RehearsalError(Exception):
    """Something a person can put right.

    The text says what is wrong, where, and what to do. Commands print it as it is, without a stack trace.
    """
