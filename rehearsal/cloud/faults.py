"""What goes wrong between a provider and its cloud: throttled calls, slow ones, and answers that are lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from rehearsal.cloud.state import State
from rehearsal.errors import RehearsalError
from rehearsal.plugins.resource import ProviderError

Result = TypeVar("Result")
# Seconds between tries at most; official providers wait longer, which a rehearsal needs not.
_PAUSE = 0.5


class Faults:
    """Calls that fail as the state's settings say: `faults`, with `rate` (0 to 1), `seed`, and `slow` (seconds).

    Half of those that fail did nothing; the others are done, but the answer is lost: each call must be able to meet its
    own work. A call has so many `tries`; `stopping` is set when the engine cancels.
    """

    def __init__(self, state: State, tries: int, stopping: threading.Event) -> None:
        self.state, self.tries, self.stopping = state, tries, stopping

    def call(self, operation: str, token: str, identifier: str, work: Callable[[], Result]) -> Result:
        """Do the work, if need be again and again; RehearsalError: the work's own, or no try was left."""
        for tried in range(1, self.tries + 1):
            faults = self.state.settings().get("faults") or {}
            # By what is called and how often it was: the same however the engine's parallel steps fall.
            turn = self.state.count(operation, token, identifier)
            dice = random.Random(f"{faults.get('seed', 0)} {operation} {token} {identifier} {turn}")  # noqa: S311 - no secret
            fails, does = dice.random() < float(faults.get("rate", 0)), dice.random() < 0.5
            if self.stopping.wait(float(faults.get("slow", 0)) * dice.random()):
                break
            try:
                if does or not fails:
                    result = work()
            except RehearsalError:
                # Not the reason: it may quote a secret, which the engine's answer hides and this file would show.
                self.state.note(operation, token, identifier, "refused")
                raise
            self.state.note(operation, token, identifier, "done" if not fails else "lost" if does else "throttled")
            if not fails:
                return result
            if self.stopping.wait(min(0.01 * 2**tried, _PAUSE) * dice.random()):
                break
        raise ProviderError(f"{operation} {token}: ThrottlingException: Rate exceeded; given up after {tried} tries")
