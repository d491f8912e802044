"""Pools of an EKS cluster as jobs see them. Pure.

Follows docs.aws.amazon.com, EC2 instance types guide (a family has the same memory for each core in all sizes), and
github.com/awslabs/amazon-eks-ami (what the machine's own parts keep). Karpenter reckons with 7.5 % of memory that the
hypervisor takes (VM_MEMORY_OVERHEAD_PERCENT, karpenter.sh/docs, Settings).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from components import allocatable
from components.allocatable import GIB, MIB
from components.aws import machines
from components.compute import GPU_RESOURCE, Taint, Workers
from components.settings import quantities
from components.settings.pools import PoolSettings

_RATIO = {"c": 2, "m": 4, "r": 8}
_OLDEST = 5  # generation: older ones have other ratios
_FAMILY = re.compile(r"(?P<letters>[a-z]+)(?P<generation>[0-9]+)[a-z0-9-]*\.(?P<size>\w+)")
_GPU_FAMILIES = ("g5", "g6")
_PODS = 110  # on one machine of Auto Mode, at most
_OVERHEAD = Decimal("0.075")


@dataclass(frozen=True)
class Contents:
    """What one machine has: cores, memory in GiB, GPUs."""

    cores: int
    gib: Decimal
    gpus: int


def contents(pool: PoolSettings) -> Contents | None:
    """Return what a machine of a pool has; None if the stack file names a type that is not known here.

    Args:
        pool: The pool.

    Raises:
        ValueError: If no machine has what is asked for.
    """
    if not pool.size:
        [*_, smallest] = sorted((_known(kind) for kind in machines.machine(pool).types), key=_size, reverse=True)
        return smallest
    if pool.cpu and pool.memory:
        memory = quantities.parse(pool.memory) / GIB
        return Contents(ceil(quantities.parse(pool.cpu)), memory, pool.gpu)
    return _known(pool.size)


def known(size: str) -> bool:
    """Tell whether what a machine of this type has is known here."""
    return _known(size) is not None


def _size(found: Contents | None) -> tuple[int, Decimal]:
    return (found.cores, found.gib) if found else (0, Decimal(0))


def _known(kind: str) -> Contents | None:
    found = _FAMILY.fullmatch(kind)
    if not found:
        return None
    size = found["size"]
    if found["letters"] + found["generation"] in _GPU_FAMILIES and size in machines.GPU_SIZES:
        gpus, cores, gib = machines.GPU_SIZES[size]
        return Contents(cores, Decimal(gib), gpus)
    if found["letters"] not in _RATIO or int(found["generation"]) < _OLDEST or "metal" in size:
        return None
    multiple = size.removesuffix("xlarge")
    cores = {"medium": 1, "large": 2}.get(size) or 4 * int(multiple or 1)
    return Contents(cores, Decimal(cores * _RATIO[found["letters"]]), 0)


def workers(wanted: Mapping[str, PoolSettings], overrides: Mapping[str, Mapping[str, Any]]) -> list[Workers]:
    """Return pools as jobs see them; one of whose machines nothing is known is left out: `check` refuses it.

    Args:
        wanted: The pools.
        overrides: By pool, what the stack file puts over the spec of its NodePool.
    """
    found = []
    for name, pool in wanted.items():
        one = contents(pool)
        if one:
            found.append(_workers(name, pool, one, overrides.get(name, {})))
    return found


def _workers(name: str, pool: PoolSettings, one: Contents, override: Mapping[str, Any]) -> Workers:
    specs = machines.node_pools(name, pool, one.cores, override)
    # A pool's two NodePools have the same template.
    template = next(iter(specs.values()))["template"]
    overhead = one.gib * GIB * _OVERHEAD
    kept = (255 + 11 * _PODS + 100) * MIB  # kubeReserved, and where the kubelet begins to evict
    return Workers(
        name=name,
        labels=template["metadata"]["labels"],
        taints=tuple(Taint.model_validate(taint) for taint in template["spec"].get("taints", [])),
        cpu=allocatable.cores(one.cores),
        memory=allocatable.memory(one.gib * GIB - overhead - kept),
        gpu=one.gpus,
        gpu_resource=GPU_RESOURCE,
        max=pool.max,
        spot=pool.spot,
    )
