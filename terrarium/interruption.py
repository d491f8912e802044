"""What an interruption from outside does: the engine ends what it has begun, writes its state, and frees its lock."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

import psutil


class Interrupted(BaseException):
    """The command ends here. Not an Exception: nothing on the way to `main` takes it for a failure."""


class Interruption:
    """Waits for a running engine when the process is asked to end, instead of leaving it to die with its lock.

    A terminal sends Ctrl-C to the engine as well. Other signals come to this process alone and are passed on as one.

    Args:
        say: Takes a sentence, for people.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.happened = False

    def watch(self) -> None:
        """Handle SIGINT, SIGTERM and SIGHUP from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        engines = [child for child in psutil.Process().children() if child.name() == "pulumi"]
        if self.happened or not engines:
            self.happened = True
            raise Interrupted
        self.happened = True
        self._say("interrupted; the engine ends what it has begun (once more to end at once)")
        for engine in engines if number != signal.SIGINT else ():
            engine.send_signal(signal.SIGINT)
