"""What people wrote, quoted back to them in a message."""

from __future__ import annotations

_LONGEST = 60  # characters; more than that hides the message that it stands in


def quoted(text: str) -> str:
    """Return a text in backticks, cut if it is long, and without characters that a terminal would obey."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return f"`{printable(short)}`"


def printable(text: str) -> str:
    """Return a text with every character that can't be shown written as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
