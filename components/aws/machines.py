"""From pools in neutral words to machines of EC2 and the requirements of Karpenter's NodePools. Pure.

Follows docs.aws.amazon.com: EC2 instance types guide (sizes, cores, memory, GPUs of each family); EKS user guide,
"Learn about Amazon EKS Auto Mode managed instances" (families it runs; never nano, micro and small), "Create a Node
Pool" (labels) and "Static-capacity node pools" (`replicas`, and of limits `nodes` alone).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from components.compute import GPU_RESOURCE
from components.labels import LABEL
from components.quoting import quoted
from components.settings import quantities
from components.settings.pools import MachineClass, PoolSettings

_GIB = 1024**3
# GiB of memory for each core of a class, and its category: the first letter of its families.
_RATIO: Mapping[MachineClass, int] = {"general": 4, "compute": 2, "memory": 8}
_CATEGORY: Mapping[MachineClass, str] = {"general": "m", "compute": "c", "memory": "r", "gpu": "g"}
# Families that every region but the newest has, to ask what is offered; Karpenter takes newer ones, too.
_FAMILIES: Mapping[MachineClass, tuple[str, ...]] = {
    "general": ("m7i", "m7a", "m6i", "m6a", "m5"),
    "compute": ("c7i", "c7a", "c6i", "c6a", "c5"),
    "memory": ("r7i", "r7a", "r6i", "r6a", "r5"),
    "gpu": ("g6", "g5"),
}
_OLDEST = 5  # generation: older ones have other ratios and sizes
_CORES = {2: "large", 4: "xlarge", 8: "2xlarge", 16: "4xlarge", 32: "8xlarge", 48: "12xlarge", 64: "16xlarge"}
_CORES |= {96: "24xlarge", 192: "48xlarge"}
GPU_SIZES = {
    "xlarge": (1, 4, 16),
    "2xlarge": (1, 8, 32),
    "4xlarge": (1, 16, 64),
    "8xlarge": (1, 32, 128),
    "16xlarge": (1, 64, 256),
    "12xlarge": (4, 48, 192),
    "24xlarge": (4, 96, 384),
    "48xlarge": (8, 192, 768),
}
"""GPUs, cores and memory in GiB of each size of g5 and g6."""
_SIZE = re.compile(r"(?P<family>[a-z]+[0-9]+[a-z0-9-]*)\.(?P<size>medium|large|[0-9]*xlarge)")
# What comes before the number in the families that Auto Mode runs, and those of them with GPUs.
_AUTO = {"c", "m", "r", "t", "z", "x", "i", "is", "im", "d", "p", "g", "gr", "inf", "trn", "hpc"}
_WITH_GPUS = {"p", "g", "gr"}
_STANDARD = {"c", "m", "r", "t", "z", "i", "is", "im", "d"}
NODE_CLASS = "terrarium"
"""The NodeClass of all pools."""


@dataclass(frozen=True)
class Quota:
    """A limit of the account.

    Args:
        service: The service's code.
        code: The quota's code.
        name: Its name in the Service Quotas console.
    """

    service: str
    code: str
    name: str


# EC2 user guide, "On-Demand Instance quotas" and "Spot Instance quotas"; codes: Service Quotas API.
_ON_DEMAND = {
    "standard": Quota("ec2", "L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"),
    "g": Quota("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances"),
    "p": Quota("ec2", "L-417A185B", "Running On-Demand P instances"),
}
_SPOT = {
    "standard": Quota("ec2", "L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"),
    "g": Quota("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests"),
}


@dataclass(frozen=True)
class Machine:
    """What a pool's machines are.

    Args:
        types: Instance types that will do.
        cores: Cores of each; None for a type that the stack file names: AWS tells.
        gpus: GPUs of each; None for a type that the stack file names and that has some.
        requirements: What a node must have, in Karpenter's words.
    """

    types: tuple[str, ...]
    cores: int | None
    gpus: int | None
    requirements: tuple[tuple[str, str, tuple[str, ...]], ...]


def machine(pool: PoolSettings) -> Machine:
    """Return what a pool's machines are: the smallest that have what is asked for.

    Args:
        pool: The pool.

    Raises:
        ValueError: If there are none; says what there is.
    """
    if pool.size:
        return _named(pool.size)
    cpu = ceil(quantities.parse(pool.cpu)) if pool.cpu else 0
    memory = ceil(quantities.parse(pool.memory) / _GIB) if pool.memory else 0
    if pool.machine == "gpu":
        return _gpu(pool.gpu or 1, cpu, memory)
    ratio = _RATIO[pool.machine]
    cores = next((cores for cores in _CORES if cores >= cpu and cores * ratio >= memory), None)
    if cores is None:
        most = max(_CORES)
        raise ValueError(
            f"no machine of class {pool.machine} has {_asked(cpu, memory)}; the largest has {most} cores and "
            f"{most * ratio}Gi. {_ratios()}"
        )
    return _of_class(pool.machine, _CORES[cores], cores, 0)


def _gpu(gpus: int, cpu: int, memory: int) -> Machine:
    for size, (has, cores, gib) in sorted(GPU_SIZES.items(), key=lambda item: item[1]):
        if has >= gpus and cores >= cpu and gib >= memory:
            return _of_class("gpu", size, cores, has)
    most = max(GPU_SIZES.values())
    asked = " and ".join(filter(None, (f"{gpus} GPUs", _asked(cpu, memory))))
    raise ValueError(
        f"no machine of class gpu has {asked}; the largest has {most[0]} GPUs, {most[1]} cores and {most[2]}Gi. "
        "Larger ones are named by size, as p5.48xlarge"
    )


def _of_class(kind: MachineClass, size: str, cores: int, gpus: int) -> Machine:
    own = "eks.amazonaws.com/instance"
    requirements = [
        (f"{own}-category", "In", (_CATEGORY[kind],)),
        (f"{own}-generation", "Gt", (str(_OLDEST - 1),)),
        (f"{own}-cpu", "In", (str(cores),)),
        # Images built on most teams' machines run on nothing else.
        ("kubernetes.io/arch", "In", ("amd64",)),
    ]
    if gpus:
        requirements += [
            (f"{own}-gpu-count", "In", (str(gpus),)),
            (f"{own}-gpu-manufacturer", "In", ("nvidia",)),
        ]
    return Machine(tuple(f"{family}.{size}" for family in _FAMILIES[kind]), cores, gpus, tuple(requirements))


def _named(size: str) -> Machine:
    letters = _letters(size)
    if not _SIZE.fullmatch(size) or letters not in _AUTO:
        raise ValueError(
            f"{quoted(size)} is no machine that EKS Auto Mode runs: give a family and a size of medium or more, as "
            "m7i.xlarge (EKS user guide, EKS Auto Mode supported instance reference)"
        )
    gpus = None if letters in _WITH_GPUS else 0
    return Machine((size,), None, gpus, (("node.kubernetes.io/instance-type", "In", (size,)),))


def _letters(instance_type: str) -> str:
    found = re.match("[a-z]*", instance_type)
    return found[0] if found else ""


def _asked(cpu: int, memory: int) -> str:
    return " and ".join(filter(None, (f"{cpu} cores" if cpu else "", f"{memory}Gi" if memory else "")))


def _ratios() -> str:
    return "Memory for each core: " + ", ".join(f"{name} {gib}Gi" for name, gib in _RATIO.items())


def quota(instance_type: str, *, spot: bool) -> Quota | None:
    """Return the limit that a machine's cores count against; None for families whose limits are not asked.

    Args:
        instance_type: As `m7i.xlarge`.
        spot: Whether it is a spot instance.
    """
    letters = _letters(instance_type)
    group = "standard" if letters in _STANDARD else letters[:1] if letters in _WITH_GPUS else ""
    return (_SPOT if spot else _ON_DEMAND).get(group)


def node_pools(name: str, pool: PoolSettings, cores: int, override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the specs of a pool's NodePools by name: one that grows and shrinks, and one that is always there.

    A NodePool can't change from the one kind to the other, so each has its own name.

    Args:
        name: The pool's name.
        pool: The pool.
        cores: Cores of one machine; what limits the pool is counted in them.
        override: What is put over both specs.
    """
    found: dict[str, dict[str, Any]] = {}
    if pool.max > pool.min:
        grows = {
            "limits": {"cpu": str((pool.max - pool.min) * cores)},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"},
        }
        found[name] = _merged({"template": _template(name, pool), **grows}, override)
    if pool.min:
        # One more than there are: a machine is replaced by a new one before it goes.
        stays = {"replicas": pool.min, "limits": {"nodes": pool.min + 1}}
        kept = {key: value for key, value in override.items() if key not in ("limits", "disruption", "weight")}
        found[f"{name}-base"] = _merged({"template": _template(name, pool), **stays}, kept)
    return found


def _template(name: str, pool: PoolSettings) -> dict[str, Any]:
    found = machine(pool)
    taints = [
        {"key": taint.key, "effect": taint.effect} | ({"value": taint.value} if taint.value else {})
        for taint in pool.taints
    ]
    # The word by which pods ask for them: the API server then lets such pods in by itself.
    if found.gpus != 0 and all(taint["key"] != GPU_RESOURCE for taint in taints):
        taints.append({"key": GPU_RESOURCE, "effect": "NoSchedule"})
    market = ("karpenter.sh/capacity-type", "In", ("spot" if pool.spot else "on-demand",))
    spec: dict[str, Any] = {
        "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NODE_CLASS},
        "requirements": [
            {"key": key, "operator": operator, "values": list(values)}
            for key, operator, values in (*found.requirements, market)
        ],
    }
    if taints:
        spec["taints"] = taints
    return {"metadata": {"labels": {f"{LABEL}/pool": name}}, "spec": spec}


def _merged(spec: dict[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Put one tree over another: mappings join, all else replaces."""
    merged = dict(spec)
    for key, value in override.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged
