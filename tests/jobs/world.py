"""An environment as its descriptor says it, with pools of every sort."""

from __future__ import annotations

from typing import Any

from terrarium.jobs.compute import Compute, read

IMAGE = "registry.example/churn/train@sha256:" + "a" * 64
_GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
_OWN_TAINT = {"key": "example.org/dedicated", "value": "reports", "effect": "NoSchedule"}


def pool(name: str, cpu: str, memory: str, most: int, **more: Any) -> dict[str, Any]:
    """Return a pool as descriptors say it."""
    said = {"name": name, "labels": {"pool": name}, "taints": [], "cpu": cpu, "memory": memory, "max": most, "gpu": 0}
    return said | {"spot": False, "gpuResource": "nvidia.com/gpu"} | more


POOLS = (
    pool("steady", "4", "14Gi", 5),
    pool("cheap", "4", "14Gi", 10, spot=True),
    pool("large", "16", "120Gi", 2),
    pool("reports", "4", "14Gi", 1, taints=[_OWN_TAINT]),
    pool("gpu", "8", "60Gi", 2, gpu=1, taints=[_GPU_TAINT]),
    pool("training", "32", "240Gi", 1, gpu=4, spot=True, taints=[_GPU_TAINT, _OWN_TAINT]),
)


def descriptor(tier: str = "experimentation", **compute: Any) -> dict[str, Any]:
    """Return an environment's descriptor; `compute` changes what it says of jobs."""
    said = {
        "queues": {"default": "default", "buckets": {"alice": "bucket-alice"}},
        "priorities": {"low": "terrarium-low", "normal": "terrarium-normal", "high": "terrarium-high"},
        "pools": list(POOLS),
        "quota": {"cpu": "40", "memory": "300Gi", "gpu": 4, "pods": 100, "borrowPercent": 0},
        "container": {"cpu": "32", "memory": "200Gi"},
    }
    identities = {name: {"secret": f"store-{name}-1"} for name in ("rw", "ro", "bucket-alice")}
    return {
        "kind": "environment",
        "id": "churn-dev",
        "project": "churn",
        "tier": tier,
        "namespace": "churn-dev",
        "store": {"identities": identities, "buckets": ["alice"], "lake": {"name": "main", "bucket": "lake--main"}},
        "compute": said | compute,
    }


def compute(**changed: Any) -> Compute:
    """Return what the descriptor says of jobs."""
    return read(descriptor(**changed))
