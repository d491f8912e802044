"""Long work says now and then how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from terrarium.engine import Say

# Seconds between two sentences on one long task.
_PAUSE = 5.0


def progress(say: Say, sentence: str) -> Callable[[int], None]:
    """Return what takes a count and says it now and then.

    Args:
        say: Takes a sentence, for people.
        sentence: With `{}` for the count.
    """
    last = time.monotonic()

    def done(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            say(sentence.format(f"{count:,}"))

    return done
