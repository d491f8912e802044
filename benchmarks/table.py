"""Figures as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Spread

_DIGITS = {"s": 2, "MiB": 0}
_MET = {True: "met", False: "MISSED", None: ""}


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the figures: medians, first and third quartile below."""
    table = Table()
    table.add_column("measure", no_wrap=True)
    for heading in ("ours", "reference", "ratio", "ratio of pairs", "target", ""):
        table.add_column(heading, justify="right")
    for figure in figures:
        digits = _DIGITS[figure.unit]
        table.add_row(
            f"{figure.name} [{figure.unit}]".replace("[", "\\["),
            _text(figure.ours, digits),
            _text(figure.reference, digits),
            "" if figure.ratio is None else f"{figure.ratio:.3f}",
            _text(figure.pairs, 3),
            _target(figure),
            _MET[figure.met],
        )
    console.print(table)
    console.print("Medians, below them first to third quartile. A ratio is ours by reference.", highlight=False)


def _text(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return ""
    first, third = spread.quartiles
    return f"{spread.median:.{digits}f}\n{first:.{digits}f} to {third:.{digits}f}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"≤ {figure.target:.2f}" if figure.reference else f"≤ {figure.target:.0f} {figure.unit}"
