"""Sizes as people say them."""

from __future__ import annotations


def size(count: int) -> str:
    """Return a number of bytes for people: `1.5 MiB`.

    Args:
        count: Bytes.
    """
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
