"""Where needs land: on the cheapest machines that fit, or nowhere, with every reason and the nearest that could."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings import quantities
from terrarium.errors import InvalidInput
from terrarium.jobs import needs, router
from terrarium.jobs.compute import Compute, read
from terrarium.jobs.router import Impossible, Placement
from tests.jobs.world import POOLS, compute, descriptor, pool


def route(said: str, world: Compute | None = None, **more: Any) -> Placement | Impossible:
    return router.route(world or compute(), needs.parse(said), environment="churn-dev", **more)


MATRIX = [
    ("", "cheap"),
    ("cpu=1", "cheap"),
    ("cpu=4", "cheap"),
    ("cpu=4,memory=14Gi", "cheap"),
    ("cpu=500m,memory=64Mi", "cheap"),
    ("spot=true", "cheap"),
    ("spot=false", "steady"),
    ("spot=false,cpu=4", "steady"),
    ("spot=false,priority=high", "steady"),
    ("cpu=5", "large"),
    ("cpu=16", "large"),
    ("memory=15Gi", "large"),
    ("memory=120Gi", "large"),
    ("cpu=16,memory=120Gi,spot=false", "large"),
    ("pool=steady", "steady"),
    ("pool=large", "large"),
    ("pool=reports", "reports"),
    ("pool=cheap,cpu=2", "cheap"),
    ("pool=cheap,spot=true", "cheap"),
    ("gpu=0", "cheap"),
    ("gpu=0,memory=100Gi", "large"),
    ("gpu=1", "gpu"),
    ("gpu=1,memory=60Gi", "gpu"),
    ("gpu=1,spot=false", "gpu"),
    ("gpu=1,spot=true", "training"),
    ("gpu=1,memory=61Gi", "training"),
    ("gpu=1,cpu=9", "training"),
    ("gpu=2", "training"),
    ("gpu=4,memory=200Gi,cpu=32", "training"),
    ("gpu=1,pool=training", "training"),
    ("priority=low,disk=20Gi", "cheap"),
]
IMPOSSIBLE = [
    ("gpu=0,pool=gpu", "pool gpu is kept for jobs that use its GPUs", "gpu"),
    ("pool=gpu", "pool gpu is kept for jobs that use its GPUs (gpu=1)", "gpu"),
    (
        "gpu=2,pool=gpu",
        "pool gpu has machines with 1 GPU, not 2",
        "The largest job on pool gpu has cpu=8,memory=60Gi,gpu=1",
    ),
    ("gpu=5", "5 GPUs asked for, and the quota of churn-dev is 4 GPUs: raise quota.gpu", "pool training"),
    ("gpu=1,spot=false,memory=61Gi", "pool gpu has machines with 60Gi of memory, not 61Gi", "pool gpu"),
    ("cpu=33", "33 cores asked for, and container maximum is 32: raise container.maximum", "pool large"),
    ("cpu=20", "pool large has machines of 16 cores, not 20", "cpu=16,memory=120Gi"),
    ("memory=201Gi", "container maximum is 200Gi", "pool large"),
    ("pool=nowhere", "there is no pool nowhere; there are: cheap, steady, large", "The largest job"),
    ("pool=steady,spot=true", "pool steady never loses its machines", "pool steady"),
    ("pool=cheap,spot=false", "pool cheap may lose its machines", "pool cheap"),
    ("memory=100Gi,spot=true", "pool cheap has machines with 14Gi of memory", "pool cheap has cpu=4,memory=14Gi"),
]


@pytest.mark.parametrize(("said", "expected"), MATRIX)
def test_needs_land(said: str, expected: str) -> None:
    found = route(said)
    assert isinstance(found, Placement), found
    assert (found.pool, found.selector) == (expected, {"pool": expected})


def test_the_matrix_is_large_enough() -> None:
    assert len(MATRIX) >= 30
    assert len(IMPOSSIBLE) >= 10


@pytest.mark.parametrize(("said", "reason", "nearest"), IMPOSSIBLE)
def test_impossible_needs_are_refused(said: str, reason: str, nearest: str) -> None:
    found = route(said)
    assert isinstance(found, Impossible), found
    assert reason in str(found)
    assert nearest in found.nearest


def test_every_reason_is_said() -> None:
    found = route("cpu=50,memory=400Gi,gpu=9,pool=steady")
    assert isinstance(found, Impossible)
    for word in (
        "container maximum is 32",
        "container maximum is 200Gi",
        "quota of churn-dev is 40",
        "is 300Gi",
        "4 GPUs",
    ):
        assert word in str(found)
    assert "pool steady has machines of 4 cores, not 50" in str(found)


def test_queue_priority_and_tolerations() -> None:
    found = route("gpu=1,pool=training,priority=high", bucket="alice")
    assert isinstance(found, Placement)
    assert (found.queue, found.priority) == ("bucket-alice", "terrarium-high")
    assert {one["key"] for one in found.tolerations} == {"nvidia.com/gpu", "example.org/dedicated"}
    assert all(one["operator"] == "Equal" for one in found.tolerations)
    assert found.requests == {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"}


def test_a_bucket_without_a_queue_uses_the_environment_s() -> None:
    found = route("", bucket="bob")
    assert isinstance(found, Placement)
    assert found.queue == "default"


def test_without_queues_and_pools_only_the_bounds_hold() -> None:
    bare = read(descriptor(queues=None, priorities={}, pools=[]))
    found = route("cpu=4,gpu=1,priority=high", bare)
    assert isinstance(found, Placement)
    assert (found.queue, found.priority, found.pool, found.tolerations) == (None, None, None, ())
    assert found.requests["nvidia.com/gpu"] == "1"
    refused = route("cpu=33", bare)
    assert "The largest job in churn-dev has cpu=32,memory=200Gi" in str(refused)
    assert "there is no pool x; there are: none" in str(route("pool=x", bare))


def test_what_is_not_said_is_small_enough_for_the_container() -> None:
    found = route("", compute(container={"cpu": "500m", "memory": "1Gi"}))
    assert isinstance(found, Placement)
    assert found.requests == {"cpu": "500m", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("said", "tasks", "most", "expected"),
    [
        ("", 1, None, 1),
        ("", 1000, None, 40),  # the quota's cores
        ("cpu=4", 1000, None, 10),  # the quota's cores, and the pool's machines
        ("memory=14Gi", 1000, None, 10),  # the pool's ten machines
        ("gpu=1", 1000, None, 2),  # the pool's two machines
        ("cpu=100m,memory=64Mi", 1000, None, 100),  # the quota's pods
        ("", 1000, 7, 7),
        ("", 3, 50, 3),
    ],
)
def test_as_many_run_at_a_time_as_there_is_room_for(said: str, tasks: int, most: int | None, expected: int) -> None:
    found = route(said, tasks=tasks, at_a_time=most)
    assert isinstance(found, Placement)
    assert found.parallelism == expected


def test_too_many_at_a_time_are_refused() -> None:
    assert "pool gpu has room for 2, on at most 2 machines" in str(route("gpu=1", tasks=10, at_a_time=3))
    refused = route("cpu=100m,memory=64Mi", tasks=1000, at_a_time=101)
    assert "the quota of churn-dev has room for 100" in str(refused)
    assert "`%100`" in str(refused)


def test_what_may_be_borrowed_is_possible_and_not_usual() -> None:
    quota = {"cpu": "40", "memory": "300Gi", "gpu": 2, "pods": 100, "borrowPercent": 100}
    world = compute(quota=quota)
    assert isinstance(route("gpu=4", world), Placement)
    usual = route("cpu=1,memory=64Mi", world, tasks=1000)
    assert isinstance(usual, Placement)
    assert usual.parallelism == 40
    assert isinstance(route("cpu=1", world, tasks=1000, at_a_time=40), Placement)
    assert isinstance(route("gpu=4", compute(quota=quota, queues=None)), Impossible), "without queues nothing is lent"


def test_a_descriptor_that_says_nothing_of_jobs_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="earlier version; `terrarium up`"):
        read({"id": "churn-dev"})
    with pytest.raises(InvalidInput, match="restores it"):
        read({"id": "churn-dev", "compute": {"pools": [{"name": "x"}]}})


_quantity = st.sampled_from(["100m", "1", "2", "4", "8", "16", "32", "64"])
_memory = st.sampled_from(["128Mi", "1Gi", "8Gi", "14Gi", "60Gi", "120Gi", "500Gi"])


@given(
    size=st.tuples(_quantity, _memory),
    gpu=st.integers(0, 6),
    spot=st.sampled_from(["", ",spot=true", ",spot=false"]),
    named=st.sampled_from(["", *(f",pool={one['name']}" for one in POOLS)]),
    jobs=st.tuples(st.integers(1, 10_000), st.permutations(POOLS)),
)
def test_a_placement_fits_and_the_order_of_pools_makes_no_difference(
    size: tuple[str, str], gpu: int, spot: str, named: str, jobs: tuple[int, list[dict[str, Any]]]
) -> None:
    (cpu, memory), (tasks, order) = size, jobs
    said = f"cpu={cpu},memory={memory},gpu={gpu}{spot}{named}"
    world = compute(pools=order)
    found = route(said, world, tasks=tasks)
    assert found == route(said, compute(), tasks=tasks)
    if isinstance(found, Impossible):
        assert found.reasons
        return
    chosen = next(one for one in POOLS if one["name"] == found.pool)
    assert quantities.parse(cpu) <= quantities.parse(chosen["cpu"])
    assert quantities.parse(memory) <= quantities.parse(chosen["memory"])
    assert gpu <= chosen["gpu"]
    assert bool(gpu) or not chosen["gpu"]
    assert not spot or chosen["spot"] == (spot == ",spot=true")
    assert not named or named == f",pool={found.pool}"
    for resource, most in (("cpu", "40"), ("memory", "300Gi")):
        assert quantities.parse(found.requests[resource]) * found.parallelism <= quantities.parse(most)
    assert 1 <= found.parallelism <= tasks


def test_a_smaller_machine_comes_first() -> None:
    world = compute(pools=[pool("b", "8", "30Gi", 1), pool("a", "16", "60Gi", 1)])
    found = route("", world)
    assert isinstance(found, Placement)
    assert found.pool == "b"
