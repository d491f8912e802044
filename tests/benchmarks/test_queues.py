"""Thousands of jobs over simulated nodes, by the product's routing: where they ran, and whose turn it was."""

from __future__ import annotations

from collections import Counter

from benchmarks import queues
from benchmarks.cluster import NAMES

JOBS, NODES = 2_000, 200


def test_all_run_on_allowed_pools_and_a_flood_starves_nobody() -> None:
    """Half of the jobs are one environment's and were there first. How long all took is for `benchmarks` to say."""
    pools = queues.pools_of(NODES)
    assert sum(pool.count for pool in pools) == NODES
    assert queues.run(queues.routed(pools), pools, JOBS) > 0


def test_a_flood_is_submitted_before_what_others_need() -> None:
    greedy, *rest = NAMES
    order = queues.namespaces(100)
    assert order[:50] == [greedy] * 50
    others = Counter(order[50:])
    assert set(others) == set(rest)
    assert set(others.values()) == {5, 6}


def test_a_job_on_a_machine_that_is_not_for_it_is_told() -> None:
    good = {(True, "training"): 3, (False, "general"): 5, (False, "large"): 2}
    assert queues.astray(good) == []
    assert queues.astray({**good, (False, "training"): 1, (True, "large"): 4}) == [
        "1 jobs that need no GPU ran on 'training'",
        "4 jobs that need a GPU ran on 'large'",
    ]


def test_an_environment_that_waits_for_a_greedy_one_is_told() -> None:
    greedy, other, third = NAMES[:3]
    assert queues.behind({greedy: 60.0, other: 64.0, third: 20.0}) == []
    assert queues.behind({greedy: 60.0, other: 66.0, third: 20.0}) == [
        f"jobs of {other} waited for 66 s, those of {greedy}, who had half of all, for 60 s"
    ]
