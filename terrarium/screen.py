"""What people see: progress on stderr, results on stdout, or one JSON document there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    # The Automation API behind it costs 0.3 s, and `check`, `explain` and `store` need none of it.
    from terrarium.plan import Step

_SIGNS = {"create": "[green]+[/]", "update": "[yellow]~[/]", "delete": "[red]-[/]", "replace": "[red]±[/]"}


class Screen:
    """Writes for people, or for machines.

    Args:
        as_json: Whether results are one JSON document on stdout. Progress stays on stderr either way.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # A pipe has no width: whoever reads it wants whole values, not a column folded at 80 characters.
        width = None if sys.stdout.isatty() else 1_000
        self._out = Console(soft_wrap=True, highlight=False, width=width)
        self._err = Console(stderr=True, soft_wrap=True, highlight=False)

    def say(self, sentence: str) -> None:
        """Say what goes on."""
        self._err.print(f"[dim]{escape(sentence)}[/]")

    def step(self, step: Step) -> None:
        """Show one change."""
        because = f" [dim]({escape(', '.join(step.properties))})[/]" if step.properties else ""
        self._err.print(f"  {_SIGNS.get(step.op, escape(step.op))} {escape(step.kind)} {escape(step.name)}{because}")

    def warn(self, message: str) -> None:
        """Show a problem."""
        self._err.print(f"[bold red]error:[/] {escape(message)}")

    def result(self, document: Mapping[str, Any], *, title: str = "", rows: Iterable[Sequence[str]] = ()) -> None:
        """Give the result: the document for machines, or title and rows for people."""
        if self.as_json:
            json.dump(document, sys.stdout, indent=2, sort_keys=True, default=str)
            sys.stdout.write("\n")
            return
        if title:
            self._out.print(f"[bold]{escape(title)}[/]")
        self.table(rows)

    def table(self, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
        """Show rows in columns."""
        found = list(rows)
        if not found:
            return
        table = Table(*header, box=None, show_header=bool(header), padding=(0, 2, 0, 0), header_style="bold")
        if not header:
            for _ in found[0]:
                table.add_column(overflow="fold")
        for row in found:
            table.add_row(*(escape(cell) for cell in row))
        self._out.print(table)
