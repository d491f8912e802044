"""How long work tells what it is doing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

# Where no terminal redraws a line, a long step says at most this often that it still goes on (seconds).
QUIET_INTERVAL = 15.0


class Report(Protocol):
    """What `build`, `prepare` and the platform tell about their progress."""

    def step(self, text: str, *, done: int | None = None, left: int | None = None) -> None:
        """Say what is being done now.

        Args:
            text: The work, such as `Building kubernetes`.
            done: Steps finished, if they are counted.
            left: Steps to come, the present one included.
        """

    def detail(self, text: str) -> None:
        """Say how far the present step is; later details replace earlier ones."""

    def note(self, text: str) -> None:
        """Say something that should stay readable, such as a port that moved."""


class Silent:
    """A report that says nothing."""

    def step(self, text: str, *, done: int | None = None, left: int | None = None) -> None:
        """Ignore a step."""

    def detail(self, text: str) -> None:
        """Ignore a detail."""

    def note(self, text: str) -> None:
        """Ignore a note."""


class Terminal:
    """A report on standard error: a moving line on a terminal, plain lines elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._spinner: Spinner | None = None
        self._start = time.monotonic()
        self._said = self._start
        self._step = ""

    def step(self, text: str, *, done: int | None = None, left: int | None = None) -> None:
        """Print the step with what is done, what is left and the time since the start."""
        counts = "" if done is None or left is None else f" ({done} done, {left} left)"
        self._step = f"{text}{counts}"
        self._said = time.monotonic()
        if self._console.is_terminal:
            self._draw(self._step)
        else:
            self._print(f"{self._elapsed()} {self._step}")

    def detail(self, text: str) -> None:
        """Redraw the moving line; without a terminal, print at most every 15 seconds."""
        if self._console.is_terminal:
            self._draw(f"{self._step}: {text}")
        elif time.monotonic() - self._said >= QUIET_INTERVAL:
            self._said = time.monotonic()
            self._print(f"{self._elapsed()} {self._step}: {text}")

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._print(text)

    def close(self) -> None:
        """Take the moving line away."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._start)
        return f"[{seconds // 60}:{seconds % 60:02d}]"

    def _draw(self, text: str) -> None:
        line = Text(f"{self._elapsed()} {text}")
        if self._spinner:
            self._spinner.update(line)
        else:
            self._spinner = self._console.status(line)
            self._spinner.start()

    def _print(self, text: str) -> None:
        # Text, not a string: rich would read the brackets of a path or of a log line as markup and drop them.
        self._console.print(Text(text), soft_wrap=True)


@contextmanager
def on_terminal() -> Iterator[Terminal]:
    """Give a `Terminal` and take its moving line away at the end, also after an error."""
    report = Terminal()
    try:
        yield report
    finally:
        report.close()
