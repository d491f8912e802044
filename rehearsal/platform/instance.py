"""The processes of one platform: found by their records, or by their command lines where a record is lost."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.platform.layout import Layout
from rehearsal.platform.part import Part
from rehearsal.platform.parts import ALL
from rehearsal.platform.processes import Running, end, orphans, recorded, search
from rehearsal.platform.store import DATABASE

# Seconds between SIGTERM and SIGKILL. The API server lets requests finish first.
STOP_PATIENCE = 10.0


def find(layout: Layout) -> dict[str, Running]:
    """Return the parts of a platform that run, by name."""
    found = {part.name: process for part in ALL if (process := _recorded(layout, part))}
    lost = [part for part in ALL if part.name not in found]
    if lost:
        found.update(search({part.name: part.sign(layout) for part in lost}))
    return found


def stop(layout: Layout, processes: Iterable[tuple[str, Running]]) -> dict[str, Running]:
    """End parts of a platform and forget their records: first those that ask, etcd last, so that nobody waits for it.

    Args:
        layout: The platform's folder.
        processes: Names and processes.

    Returns:
        Those that survived even SIGKILL; their records stay.
    """
    ending = dict(processes)
    ask = {ending[part.name].pid: part.stop for part in ALL if part.name in ending}
    first = [process for name, process in ending.items() if name != "etcd"]
    survivors = end(first, patience=STOP_PATIENCE, ask=ask)
    survivors += end([process for name, process in ending.items() if name == "etcd"], patience=STOP_PATIENCE)
    for name, process in ending.items():
        if process not in survivors:
            layout.record(name).unlink(missing_ok=True)
    return {name: process for name, process in ending.items() if process in survivors}


def end_orphans(layout: Layout) -> None:
    """End the children of parts that were killed and do not run.

    A database server's children notice only when they have nothing to do; until then it can't start again.
    """
    end(orphans(DATABASE.sign(layout)), patience=STOP_PATIENCE)


def _recorded(layout: Layout, part: Part) -> Running | None:
    process = recorded(layout.record(part.name))
    # A record copied from elsewhere tells of a process that runs, but not of this platform's.
    return process if process and part.sign(layout).fits(process.command) else None
