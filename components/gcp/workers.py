"""Pools of a GKE cluster as jobs see them. Pure.

Follows cloud.google.com: "Plan GKE Standard node sizes" (what GKE keeps of a machine), "General-purpose machine family"
and "Accelerator-optimized machine family" (what a type has), "Run GPUs in GKE Standard node pools" (their taint).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor
from typing import Any

from components import allocatable
from components.allocatable import GIB, MIB
from components.compute import Taint, Workers
from components.gcp import machines, preflight
from components.gcp.settings import GcpSettings
from components.labels import LABEL
from components.settings import quantities
from components.settings.models import AnySettings
from components.settings.pools import PoolSettings

_TYPE = re.compile(r"(?P<family>[a-z][a-z0-9]*)-(?P<kind>standard|highmem|highcpu)-(?P<cores>[0-9]+)")
_GPU_TYPE = re.compile(r"a2-(?P<kind>highgpu|ultragpu)-(?P<gpus>[1248])g")
# GiB for each core, the least of all families of today; N1 has less.
_RATIO = {"standard": Decimal(4), "highmem": Decimal(8), "highcpu": Decimal(1)}
_N1 = {"standard": Decimal("3.75"), "highmem": Decimal("6.5"), "highcpu": Decimal("0.9")}
_WITHOUT = ("f1", "g1", "m1", "m2", "m3", "a3", "a4", "z3", "h3")
# Cores and GiB for each GPU of an A2.
_A2 = {"highgpu": (12, 85), "ultragpu": (12, 170)}
_MEMORY_STEPS = (
    (4, Decimal(25)),
    (4, Decimal(20)),
    (8, Decimal(10)),
    (112, Decimal(6)),
    (1_000_000, Decimal(2)),
)
# What GKE's own pods on each machine ask for, with Dataplane V2, logging, metrics and the driver of disks; rounded up.
_SYSTEM_CORES, _SYSTEM_MEMORY = Decimal("0.4"), 600 * MIB
_EVICTION = 100 * MIB
# GKE puts it on machines with GPUs.
_GPU_TAINT = Taint(key="nvidia.com/gpu", value="present")
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}


@dataclass(frozen=True)
class Contents:
    """What one machine has: cores, memory in GiB, GPUs."""

    cores: int
    gib: Decimal
    gpus: int


def known(machine_type: str) -> Contents | None:
    """Return what a machine type has; None if that is not known here."""
    for types in machines.CLASSES.values():
        for each in types:
            if each.name == machine_type:
                return Contents(each.cpus, Decimal(each.memory_gib), each.gpus)
    if found := _GPU_TYPE.fullmatch(machine_type):
        cores, gib = _A2[found["kind"]]
        gpus = int(found["gpus"])
        return Contents(cores * gpus, Decimal(gib * gpus), gpus)
    found = _TYPE.fullmatch(machine_type)
    if not found or found["family"] in _WITHOUT:
        return None
    ratio = (_N1 if found["family"] == "n1" else _RATIO)[found["kind"]]
    cores = int(found["cores"])
    return Contents(cores, Decimal(floor(cores * ratio * 4)) / 4, 0)


def contents(name: str, pool: PoolSettings, block: GcpSettings) -> Contents | None:
    """Return what a machine of a pool has; None if the stack file names a type that is not known here.

    Args:
        name: The pool's name.
        pool: The pool.
        block: The stack's `cloud.gcp`.

    Raises:
        NoMachine: If no type has what the pool asks for.
    """
    override = block.machines.get(name, {})
    attached = preflight.attached(override)
    if pool.size and pool.cpu and pool.memory:
        found = Contents(ceil(quantities.parse(pool.cpu)), quantities.parse(pool.memory) / GIB, pool.gpu)
    else:
        listed = known(preflight.machine_type(name, pool, block))
        if listed is None:
            return None
        found = listed
    return Contents(found.cores, found.gib, attached[1]) if attached else found


def workers(settings: AnySettings, block: GcpSettings) -> list[Workers]:
    """Return pools as jobs see them; one of whose machines nothing is known is left out: `check` refuses it.

    Args:
        settings: The declaration.
        block: Its `cloud.gcp`.
    """
    found = []
    for name, pool in preflight.pools(settings, block).items():
        one = contents(name, pool, block)
        if one:
            found.append(_workers(name, pool, one, block.machines.get(name, {})))
    return found


def _workers(name: str, pool: PoolSettings, one: Contents, override: Mapping[str, Any]) -> Workers:
    taints = _taints(pool, override)
    if one.gpus and all(taint.key != _GPU_TAINT.key for taint in taints):
        taints.append(_GPU_TAINT)
    memory = one.gib * GIB
    kept = allocatable.kept(one.gib, _MEMORY_STEPS) * GIB + _EVICTION + _SYSTEM_MEMORY
    return Workers(
        name=name,
        labels=dict(override.get("labels", {f"{LABEL}/pool": name})),
        taints=tuple(taints),
        cpu=allocatable.cores(one.cores, _SYSTEM_CORES),
        memory=allocatable.memory(memory - kept),
        gpu=one.gpus,
        max=pool.max,
        spot=bool(override.get("spot", pool.spot)),
    )


def _taints(pool: PoolSettings, override: Mapping[str, Any]) -> list[Taint]:
    given = override.get("taints")
    if isinstance(given, list):
        return [
            Taint.model_validate({**taint, "effect": _EFFECTS.get(str(taint.get("effect")), "NoSchedule")})
            for taint in given
            if isinstance(taint, Mapping)
        ]
    return [Taint(key=taint.key, value=taint.value, effect=taint.effect) for taint in pool.taints]
