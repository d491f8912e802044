"""Start again what is real of a rehearsed account, before a plugin is asked for anything."""

from __future__ import annotations

import os
from pathlib import Path

from rehearsal.paths import local


def wake(cloud: str, account: str) -> None:
    """Start what was stopped (`make down`, a reboot); nothing is loaded where nothing was made.

    Args:
        cloud: `aws` or `gcp`.
        account: Account or project.

    Raises:
        RehearsalError: A platform could not start.
    """
    chosen = os.environ.get("TERRARIUM_REHEARSAL_HOME")
    home = Path(chosen) if chosen else local()
    if any((home / "platforms").glob(f"{cloud}-*/rehearsed.json")):
        # Imported here: the platforms' modules cost a plugin a third of a second.
        from rehearsal.rented.platforms import heal  # noqa: PLC0415 - see above

        heal(cloud, account)
