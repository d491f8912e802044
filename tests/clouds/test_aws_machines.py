"""Pools in neutral words become machines that have what is asked for, and no larger ones than needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import machines
from components.settings.pools import PoolSettings

RATIO = {"general": 4, "compute": 2, "memory": 8}
SIZES = (2, 4, 8, 16, 32, 48, 64, 96, 192)


def pool(**given_: Any) -> PoolSettings:
    return PoolSettings.model_validate({"max": 1, **given_})


@given(kind=st.sampled_from(sorted(RATIO)), cpu=st.integers(1, 192), memory=st.integers(1, 384))
def test_a_machine_has_what_is_asked_for_and_the_next_smaller_has_not(kind: str, cpu: int, memory: int) -> None:
    found = machines.machine(pool(machine=kind, cpu=cpu, memory=f"{memory}Gi"))
    assert found.cores is not None
    assert found.cores >= cpu
    assert found.cores * RATIO[kind] >= memory
    smaller = [cores for cores in SIZES if cores < found.cores]
    assert not smaller or max(smaller) < cpu or max(smaller) * RATIO[kind] < memory


@given(gpu=st.integers(1, 8), cpu=st.integers(1, 192), memory=st.integers(1, 768))
def test_a_machine_with_gpus_has_them(gpu: int, cpu: int, memory: int) -> None:
    found = machines.machine(pool(machine="gpu", gpu=gpu, cpu=cpu, memory=f"{memory}Gi"))
    assert found.gpus is not None
    assert found.cores is not None
    assert found.gpus >= gpu
    assert found.cores >= cpu
    assert requirements(found)["eks.amazonaws.com/instance-gpu-count"] == ("In", (str(found.gpus),))


def requirements(found: machines.Machine) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    return {key: (operator, values) for key, operator, values in found.requirements}


@pytest.mark.parametrize(
    ("asked", "first", "cores"),
    [
        ({}, "m7i.large", 2),
        ({"cpu": "500m"}, "m7i.large", 2),
        ({"cpu": "2500m"}, "m7i.xlarge", 4),
        ({"cpu": 4, "memory": "16Gi"}, "m7i.xlarge", 4),
        ({"cpu": 4, "memory": "17Gi"}, "m7i.2xlarge", 8),
        ({"machine": "compute", "cpu": 16}, "c7i.4xlarge", 16),
        ({"machine": "memory", "memory": "500Gi"}, "r7i.16xlarge", 64),
        ({"machine": "gpu"}, "g6.xlarge", 4),
        ({"machine": "gpu", "gpu": 2}, "g6.12xlarge", 48),
        ({"size": "p5.48xlarge"}, "p5.48xlarge", None),
    ],
)
def test_machines(asked: dict[str, Any], first: str, cores: int | None) -> None:
    found = machines.machine(pool(**asked))
    assert (found.types[0], found.cores) == (first, cores)


@pytest.mark.parametrize(
    "size", ["mac1.metal", "t3.micro", "m5.metal", "m5", "u-6tb1.112xlarge", "db.m5.large", "m5.big"]
)
def test_sizes_that_auto_mode_does_not_run_are_refused(size: str) -> None:
    with pytest.raises(ValueError, match="no machine that EKS Auto Mode runs"):
        machines.machine(pool(size=size))


@pytest.mark.parametrize(
    ("kind", "spot", "code"),
    [
        ("m7i.xlarge", False, "L-1216C47A"),
        ("t3.large", True, "L-34B43A08"),
        ("g6.xlarge", False, "L-DB2E81BA"),
        ("g5.xlarge", True, "L-3819A6DF"),
        ("p5.48xlarge", False, "L-417A185B"),
        ("inf2.xlarge", False, None),
        ("x2gd.large", True, None),
    ],
)
def test_cores_count_against_their_quota(kind: str, spot: bool, code: str | None) -> None:
    found = machines.quota(kind, spot=spot)
    assert (found.code if found else None) == code


def test_a_pool_that_scales_to_zero_is_one_node_pool() -> None:
    [(name, spec)] = machines.node_pools("work", pool(cpu=4, max=5, spot=True), 4, {}).items()
    assert name == "work"
    assert spec["limits"] == {"cpu": "20"}
    assert "replicas" not in spec
    template = spec["template"]["spec"]
    assert template["nodeClassRef"] == {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "terrarium"}
    assert {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]} in template["requirements"]
    assert "taints" not in template


def test_what_is_always_there_is_a_node_pool_of_its_own() -> None:
    specs = machines.node_pools("work", pool(cpu=8, min=3, max=10), 8, {})
    assert set(specs) == {"work", "work-base"}
    assert specs["work"]["limits"] == {"cpu": str(7 * 8)}
    assert specs["work-base"]["replicas"] == 3
    # Karpenter takes no other limit, and no consolidation, beside replicas.
    assert specs["work-base"]["limits"] == {"nodes": 4}
    assert "disruption" not in specs["work-base"]
    assert set(machines.node_pools("work", pool(min=2, max=2), 2, {})) == {"work-base"}


@given(low=st.integers(0, 50), more=st.integers(0, 50), cpu=st.integers(1, 192))
def test_node_pools_together_hold_just_the_maximum(low: int, more: int, cpu: int) -> None:
    if low + more == 0:
        return
    asked = pool(cpu=cpu, min=low, max=low + more)
    cores = machines.machine(asked).cores or 0
    specs = machines.node_pools("a", asked, cores, {})
    grown = int(specs["a"]["limits"]["cpu"]) // cores if "a" in specs else 0
    kept = specs["a-base"]["replicas"] if "a-base" in specs else 0
    assert (grown, kept) == (more, low)


def test_gpus_are_kept_for_those_who_ask_for_them() -> None:
    gpu = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    own = {"key": "team", "value": "a", "effect": "NoExecute"}
    [spec] = machines.node_pools("g", pool(machine="gpu", taints=[own]), 4, {}).values()
    assert spec["template"]["spec"]["taints"] == [own, gpu]
    [spec] = machines.node_pools("g", pool(size="p5.48xlarge"), 192, {}).values()
    assert spec["template"]["spec"]["taints"] == [gpu]
    [spec] = machines.node_pools("m", pool(size="m7i.large"), 2, {}).values()
    assert "taints" not in spec["template"]["spec"]


def test_a_raw_override_wins_leaf_by_leaf() -> None:
    raw = {"template": {"spec": {"expireAfter": "72h"}}, "disruption": {"consolidateAfter": "10m"}, "weight": 10}
    specs = machines.node_pools("a", pool(cpu=2, min=1, max=2), 2, raw)
    assert specs["a"]["template"]["spec"]["expireAfter"] == "72h"
    assert specs["a"]["template"]["spec"]["requirements"]
    assert specs["a"]["disruption"] == {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "10m"}
    assert specs["a"]["weight"] == 10
    # What a pool of fixed size does not take stays out of it.
    assert "weight" not in specs["a-base"]
    assert specs["a-base"]["template"]["spec"]["expireAfter"] == "72h"
