"""Which machine type of Google Cloud a pool's words mean. Pure.

Follows cloud.google.com/compute/docs: "General-purpose machine family" (N2), "Accelerator-optimized machine family"
(G2: GPUs come with the type), "GPU machine types" (N1: GPUs are attached), and "Allocation quotas" for what each counts
against.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from components.settings import quantities
from components.settings.pools import PoolSettings

_GIB = Decimal(2**30)
_N2 = (2, 4, 8, 16, 32, 48, 64, 80)
_N2_LARGE = (*_N2, 96, 128)
SYSTEM = "system"
"""The pool of what GKE itself runs."""
SYSTEM_TYPE = "e2-standard-2"
SYSTEM_MAX = 3
"""Machines that it has at most."""


@dataclass(frozen=True)
class MachineType:
    """A machine type.

    Args:
        name: Its name.
        cpus: Its cores.
        memory_gib: Its memory in GiB.
        gpus: Its GPUs.
    """

    name: str
    cpus: int
    memory_gib: int
    gpus: int = 0


_G2 = ((4, 16, 1), (8, 32, 1), (12, 48, 1), (16, 64, 1), (32, 128, 1), (24, 96, 2), (48, 192, 4), (96, 384, 8))
CLASSES: Mapping[str, Sequence[MachineType]] = {
    "general": [MachineType(f"n2-standard-{n}", n, 4 * n) for n in _N2_LARGE],
    "compute": [MachineType(f"n2-highcpu-{n}", n, n) for n in (*_N2, 96)],
    # The largest has less than eight GiB for each core.
    "memory": [*(MachineType(f"n2-highmem-{n}", n, 8 * n) for n in _N2), MachineType("n2-highmem-128", 128, 864)],
    "gpu": [MachineType(f"g2-standard-{n}", n, memory, gpus) for n, memory, gpus in _G2],
}
"""The machine types of each class, the smallest first."""


class NoMachine(ValueError):  # noqa: N818 - reads as what it says
    """No machine type has what is asked for; the message says what there is."""


def chosen(pool: PoolSettings) -> str:
    """Return the machine type of a pool: the one it names, or the smallest of its class that has what it asks for.

    Args:
        pool: The pool.

    Raises:
        NoMachine: If the class has none.
    """
    if pool.size:
        return pool.size
    cpus = quantities.parse(pool.cpu) if pool.cpu else Decimal(0)
    memory = quantities.parse(pool.memory) / _GIB if pool.memory else Decimal(0)
    gpus = max(pool.gpu, 1) if pool.machine == "gpu" else 0
    types = CLASSES[pool.machine]
    for each in types:
        if each.cpus >= cpus and each.memory_gib >= memory and (each.gpus == gpus or not gpus):
            return each.name
    raise NoMachine(_largest(pool, types, gpus))


def _largest(pool: PoolSettings, types: Sequence[MachineType], gpus: int) -> str:
    counts = sorted({each.gpus for each in types})
    if gpus and gpus not in counts:
        return f"no machine of class gpu has {gpus} GPUs; there are {', '.join(map(str, counts))}, or name a size"
    last = max((each for each in types if each.gpus == gpus or not gpus), key=lambda each: each.cpus)
    with_gpus = f" with {gpus} GPUs" if gpus else ""
    return (
        f"no machine of class {pool.machine}{with_gpus} has that much; the largest, {last.name}, has {last.cpus} cores "
        f"and {last.memory_gib}Gi. Ask for less, or name a size"
    )


@dataclass(frozen=True)
class Quota:
    """A quota of Compute Engine in a region.

    Args:
        id: As the Cloud Quotas API calls it.
        what: What it counts, for people.
    """

    id: str
    what: str


# Families that have a quota of their own; the others count as CPUS.
_OWN = ("a2", "a3", "c2", "c2d", "c3", "c4", "g2", "m1", "m2", "m3", "n2", "n2d", "n4", "t2a", "t2d", "z3")


def cpu_quota(machine_type: str) -> Quota:
    """Return the quota of cores that a machine type counts against."""
    family = machine_type.partition("-")[0]
    if family in _OWN and family not in ("a2", "a3", "g2"):
        return Quota(f"{family.upper()}-CPUS-per-project-region", f"{family.upper()} cores")
    return Quota("CPUS-per-project-region", "cores")


def spot_quota(quota: Quota) -> Quota:
    """Return the quota that spot machines count against, once a project was given one; before, the usual one."""
    gpus = quota.id.startswith("NVIDIA-")
    return Quota(f"PREEMPTIBLE-{quota.id if gpus else 'CPUS-per-project-region'}", f"spot {quota.what}")


def gpu_quota(accelerator: str) -> Quota:
    """Return the quota that a type of GPU counts against.

    Args:
        accelerator: As `nvidia-l4` or `nvidia-tesla-t4`.
    """
    family = re.sub(r"^NVIDIA-TESLA-", "NVIDIA-", accelerator.upper())
    return Quota(f"{family}-GPUS-per-project-region", f"GPUs of type {accelerator}")
