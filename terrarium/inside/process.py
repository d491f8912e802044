"""Runs a command as it is: what it prints goes on and is kept, signals reach it, its exit code is told."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, BinaryIO

MERCY = 40
"""Seconds that a command has to end after it was asked to; then it is ended, so that its log can still be kept."""
GRACE = 60
"""Seconds that a pod is given to end: MERCY, and time to keep what there is."""
_PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Seconds to wait for what a child of the command, which outlived it, may still print.
_LAST_WORDS = 2
# Bytes of one read, and of the longest line that is kept as one.
_PIECE = 1 << 16


class Stopped(Exception):  # noqa: N818 - nothing failed: somebody asked for the end
    """The end was asked for while nothing ran.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.code = 128 + number


class Runner:
    """Runs one command, and takes the process's signals from when it is made.

    Args:
        log: Where what is printed is kept.
    """

    def __init__(self, log: BinaryIO) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._asked: int | None = None
        for number in _PASSED:
            signal.signal(number, self._handle)
        # Only what has a handler wakes us.
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self, command: Sequence[str], folder: Path) -> int:
        """Run a command and return its exit code; 128 and the signal's number if one ended it, as shells say it.

        Args:
            command: The command.
            folder: Its working folder.

        Raises:
            OSError: If it can't be started.
            Stopped: If the end was asked for before.
        """
        if self._asked is not None:
            raise Stopped(self._asked)
        # What Python prints into a pipe would else be seen when it ends.
        variables = {"PYTHONUNBUFFERED": "1", **os.environ}
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=variables
        ) as child:
            self._child = child
            if self._asked is not None:
                self._end(self._asked)
            assert child.stdout is not None  # noqa: S101 - they are pipes
            assert child.stderr is not None  # noqa: S101 - as above
            pumps = [self._pump(child.stdout, 1), self._pump(child.stderr, 2)]
            code = _awaited(child)
            for pump in pumps:
                pump.join(_LAST_WORDS)
        self._child = None
        return code if code >= 0 else 128 - code

    def say(self, sentence: str) -> None:
        """Say something on stderr, and keep it."""
        line = f"terrarium: {sentence}\n".encode()
        self._pass_on(line, 2)
        self._keep(line)

    def _pump(self, source: IO[bytes], target: int) -> threading.Thread:
        def pump() -> None:
            held = b""
            # Until it ends, or is closed under our hands.
            with suppress(OSError, ValueError):
                while piece := os.read(source.fileno(), _PIECE):
                    self._pass_on(piece, target)
                    # Kept by whole lines: Python writes a line and its end apart, and the other stream came between.
                    whole, end, rest = (held + piece).rpartition(b"\n")
                    held = rest if len(rest) < _PIECE else b""
                    self._keep(whole + end + (b"" if held else rest))
            self._keep(held)

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        return thread

    def _pass_on(self, piece: bytes, target: int) -> None:
        rest = memoryview(piece)
        # Where nobody reads any more, the log is kept all the same.
        with suppress(OSError):
            while rest:
                rest = rest[os.write(target, rest) :]

    def _keep(self, text: bytes) -> None:
        with self._lock:
            self._log.write(text)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number in _ENDING:
            self._asked = number
        if self._child is not None:
            self._end(number)

    def _end(self, number: int) -> None:
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(number)
        if number in _ENDING:
            timer = threading.Timer(MERCY, child.kill)
            timer.daemon = True
            timer.start()


def _awaited(child: subprocess.Popen[bytes]) -> int:
    """Return a child's exit code once it has ended.

    `Popen.wait` blocks in `waitpid`, and Python hears a signal there only if the signal interrupts that very call: one
    that came just before was heard when the command ended. A byte in a pipe does not depend on the moment.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        while (code := child.poll()) is None:
            os.read(heard, _PIECE)
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(told)
    return code
