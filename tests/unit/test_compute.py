"""Pools as jobs see them: what one machine leaves to pods, and what is published of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import workers as aws
from components.compute import Compute, Taint, Workers, ordered
from components.gcp import workers as gcp
from components.gcp.settings import GcpSettings
from components.settings import quantities
from components.settings.models import PlatformSettings
from components.settings.pools import PoolSettings


def _pool(**said: Any) -> PoolSettings:
    return PoolSettings.model_validate({"max": 3, **said})


def _gcp(pool: dict[str, Any], override: dict[str, Any] | None = None) -> Workers:
    block = GcpSettings.model_validate(
        {"project": "sales-x", "region": "europe-west3", "machines": {"it": override} if override else {}}
    )
    said = {"name": "x", "tiers": ["testing"], "owner": "o", "cost_centre": "c", "cloud": {"gcp": {}}}
    settings = PlatformSettings.model_validate({**said, "pools": {"it": {"max": 3, **pool}}})
    [found] = gcp.workers(settings, block)
    return found


@pytest.mark.parametrize(
    ("pool", "cores", "gib", "gpus"),
    [
        ({"cpu": "4", "memory": "16Gi"}, 4, 16, 0),
        ({"machine": "compute", "cpu": "16"}, 16, 32, 0),
        ({"machine": "memory", "memory": "100Gi"}, 16, 128, 0),
        ({"machine": "gpu", "gpu": 1}, 4, 16, 1),
        ({"machine": "gpu", "gpu": 4}, 48, 192, 4),
        ({"size": "m7i.large"}, 2, 8, 0),
        ({"size": "c5.9xlarge"}, 36, 72, 0),
        ({"size": "r6i.xlarge"}, 4, 32, 0),
        ({"size": "g6.12xlarge"}, 48, 192, 4),
        ({"size": "p5.48xlarge", "cpu": "192", "memory": "2Ti", "gpu": 8}, 192, 2048, 8),
    ],
)
def test_what_a_machine_of_ec2_has_is_known(pool: dict[str, Any], cores: int, gib: int, gpus: int) -> None:
    assert aws.contents(_pool(**pool)) == aws.Contents(cores, Decimal(gib), gpus)


@pytest.mark.parametrize("size", ["p5.48xlarge", "x2idn.16xlarge", "m4.large", "inf2.xlarge", "trn1.2xlarge"])
def test_what_a_rare_machine_of_ec2_has_is_not_guessed(size: str) -> None:
    assert not aws.known(size)
    assert aws.workers({"it": _pool(size=size)}, {}) == []


def test_a_pool_of_eks_says_how_its_machines_are_reached() -> None:
    taint = {"key": "example.org/team", "value": "a"}
    [found] = aws.workers({"it": _pool(machine="gpu", taints=[taint])}, {})
    assert found.labels == {"terrarium.dev/pool": "it"}
    assert found.taints == (Taint(key="example.org/team", value="a"), Taint(key="nvidia.com/gpu"))
    assert (found.gpu, found.max, found.spot) == (1, 3, False)
    # 4 cores and 16 GiB, less what the system keeps.
    assert (found.cpu, found.memory) == ("3900m", "13568Mi")


def test_what_the_stack_file_puts_over_a_node_pool_is_what_jobs_see() -> None:
    put = {
        "template": {"spec": {"taints": [{"key": "own", "effect": "NoExecute"}]}, "metadata": {"labels": {"a": "b"}}}
    }
    [found] = aws.workers({"it": _pool(cpu="2")}, {"it": put})
    assert found.labels == {"terrarium.dev/pool": "it", "a": "b"}
    assert found.taints == (Taint(key="own", effect="NoExecute"),)


@pytest.mark.parametrize(
    ("kind", "cores", "gib", "gpus"),
    [
        ("n2-standard-4", 4, "16", 0),
        ("n2-highmem-128", 128, "864", 0),
        ("e2-highcpu-8", 8, "8", 0),
        ("n1-standard-8", 8, "30", 0),
        ("g2-standard-24", 24, "96", 2),
        ("a2-highgpu-4g", 48, "340", 4),
    ],
)
def test_what_a_machine_of_google_cloud_has_is_known(kind: str, cores: int, gib: str, gpus: int) -> None:
    assert gcp.known(kind) == gcp.Contents(cores, Decimal(gib), gpus)


@pytest.mark.parametrize("kind", ["a3-megagpu-8g", "m3-ultramem-32", "custom-4-8192", "n2-standrad-4"])
def test_what_a_rare_machine_of_google_cloud_has_is_not_guessed(kind: str) -> None:
    assert gcp.known(kind) is None


def test_a_pool_of_gke_says_how_its_machines_are_reached() -> None:
    found = _gcp({"machine": "gpu", "gpu": 1})
    assert (found.labels, found.gpu) == ({"terrarium.dev/pool": "it"}, 1)
    assert found.taints == (Taint(key="nvidia.com/gpu", value="present"),)
    assert (found.cpu, found.memory) == ("3500m", "12928Mi")
    attached = _gcp({"size": "n1-standard-8"}, {"guest_accelerators": [{"type": "nvidia-tesla-t4", "count": 2}]})
    assert (attached.gpu, attached.taints) == (2, (Taint(key="nvidia.com/gpu", value="present"),))


def test_what_is_published_can_be_read_back() -> None:
    pool = Workers(name="it", labels={"a": "b"}, cpu="2", memory="4Gi", gpu=1, max=2, taints=(Taint(key="k"),))
    compute = Compute(queues=True, priorities={"low": "terrarium-low"}, pools=(pool,))
    assert Compute.model_validate(compute.published) == compute
    assert compute.published["pools"][0]["gpuResource"] == "nvidia.com/gpu"
    assert pool.capacity == {"cpu": 4, "memory": 8 * 2**30, "nvidia.com/gpu": 2}


def test_what_is_scarce_or_dear_is_tried_last() -> None:
    def pool(name: str, **said: Any) -> Workers:
        return Workers.model_validate(
            {"name": name, "labels": {"p": name}, "cpu": "4", "memory": "8Gi", "max": 1, **said}
        )

    pools = [pool("gpus", gpu=1), pool("kept", taints=[Taint(key="k")]), pool("large", cpu="64"), pool("b")]
    pools += [pool("a"), pool("spot", spot=True)]
    assert [found.name for found in ordered(pools)] == ["spot", "a", "b", "large", "kept", "gpus"]


@given(st.integers(min_value=0, max_value=2**50), st.booleans())
def test_a_quantity_is_the_same_however_it_is_written(value: int, binary: bool) -> None:
    text = quantities.written(Decimal(value), binary=binary)
    assert quantities.parse(text) == value


@pytest.mark.parametrize(
    ("value", "binary", "text"),
    [
        ("16", False, "16"),
        ("16000", False, "16k"),
        ("1.5", False, "1500m"),
        ("0", False, "0"),
        ("68719476736", True, "64Gi"),
        ("68719476737", True, "68719476737"),
        ("1610612736", True, "1536Mi"),
    ],
)
def test_quantities_are_written_as_kubernetes_writes_them(value: str, binary: bool, text: str) -> None:
    assert quantities.written(Decimal(value), binary=binary) == text
