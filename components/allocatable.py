"""What a machine leaves to jobs: managed clusters keep a part of each machine for the system. Pure.

How much is each cloud's to say; the cores are kept in the same way by both that make clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from components.settings import quantities

GIB = Decimal(2**30)
MIB = Decimal(2**20)
_HUNDRED = Decimal(100)
# Percent of the first core, the second, the third and fourth, and those above (GKE, "Plan GKE Standard node sizes";
# Amazon's EKS machine images do the same).
_CORES = ((1, Decimal(6)), (1, Decimal(1)), (2, Decimal("0.5")), (10_000, Decimal("0.25")))


def cores(cpus: int, system: Decimal = Decimal(0)) -> str:
    """Return how many cores of a machine pods may ask for, in steps of a tenth.

    Args:
        cpus: Cores that it has.
        system: Cores that the cluster's own pods on each machine ask for.
    """
    left = cpus - kept(Decimal(cpus), _CORES) - system
    return quantities.written(Decimal(int(left * 10)) / 10)


def memory(left: Decimal) -> str:
    """Return memory that pods may ask for, in steps of 128 MiB.

    Args:
        left: What is left of the machine's, in bytes.
    """
    step = 128 * MIB
    return quantities.written(int(left / step) * step, binary=True)


def kept(amount: Decimal, steps: Sequence[tuple[int, Decimal]]) -> Decimal:
    """Return what is kept of an amount by steps.

    Args:
        amount: All there is.
        steps: Size of each step, and the percent of it that is kept.
    """
    found, left = Decimal(0), amount
    for size, percent in steps:
        part = min(left, Decimal(size))
        found += part * percent / _HUNDRED
        left -= part
    return found
