"""What gate 2 says when it refuses: one form, which the command knows again."""

from __future__ import annotations

from collections.abc import Iterable

REFUSED = "refused by the rules of production"
"""How the message begins."""


def refusal(denied: Iterable[str], done: str) -> str:
    """Return the message.

    Args:
        denied: What is denied, each with the rule's id first.
        done: What became of what was declared.
    """
    listed = "\n".join(f"  - {message}" for message in denied)
    return f"{REFUSED}, {done}:\n{listed}"
