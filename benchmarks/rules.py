"""What the policy pack costs: previews of one production stack with it and without it, taking turns."""

from __future__ import annotations

from benchmarks.figures import Figure, Spread
from benchmarks.programs import MANY, OURS, Preview, Programs
from rehearsal.progress import Report

TARGET = 1.15
"""Most that a preview may take with the pack, as a factor of one without. Gate 2 judges in both."""


def measure(both: Programs, pairs: int, report: Report) -> list[Figure]:
    """Measure previews of the reference stack of 300 resources.

    Args:
        both: The programs; only ours is used.
        pairs: How many pairs of previews.
        report: Told of each pair.
    """
    report.step(f"Bringing up {MANY}")
    both.up(OURS, MANY)
    pack = ("--policy-pack", str(both.pack))
    taken: dict[tuple[str, ...], list[Preview]] = {pack: [], (): []}
    for arguments in taken:
        both.preview(OURS, MANY, *arguments)  # fills the caches of byte code and of the file system
    for number in range(pairs):
        report.step(f"Previewing {MANY} with and without the pack: pair {number + 1} of {pairs}")
        for arguments in (pack, ()) if number % 2 == 0 else ((), pack):
            taken[arguments].append(both.preview(OURS, MANY, *arguments))
    count = len(both.registered(MANY))
    return [
        Figure(
            f"{MANY} ({count} resources): time of a preview with the policy pack",
            "s",
            ours=Spread(tuple(preview.wall for preview in taken[pack])),
            reference=Spread(tuple(preview.wall for preview in taken[()])),
            target=TARGET,
        )
    ]
