"""Whether the embedded platforms of `make up` get a real node: one decision, one switch."""

from __future__ import annotations

import os

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.node import machine

# The one switch: `real` fails where no real node can be, `simulated` starts none.
SWITCH = "TERRARIUM_NODES"
AUTO, REAL, SIMULATED = "auto", "real", "simulated"


def real() -> bool:
    """Return whether platforms that are made now get a real node.

    Raises:
        RehearsalError: The switch has another value, or demands what this machine can't give.
    """
    wanted = os.environ.get(SWITCH) or AUTO
    if wanted not in (AUTO, REAL, SIMULATED):
        raise RehearsalError(f"{SWITCH}={wanted} is not known: use one of {AUTO}, {REAL}, {SIMULATED}")
    reason = machine.why_not()
    if wanted == REAL and reason:
        raise RehearsalError(f"{SWITCH}=real, and no real node can run here: {reason}")
    return wanted != SIMULATED and not reason


def why_simulated(platform: Platform) -> str:
    """Return why a platform's nodes are simulated, as a clause; empty if it has a real one.

    Args:
        platform: A platform that was started.
    """
    if platform.has_real_node:
        return ""
    if (os.environ.get(SWITCH) or AUTO) == SIMULATED:
        return f"{SWITCH} says so"
    return machine.why_not() or "it was made so, and keeps them until `make reset`"
