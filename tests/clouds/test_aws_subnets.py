"""A VPC's plan: no two subnets meet, all lie in the range, and a third zone moves nothing."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import subnets
from components.aws.subnets import LARGEST, PODS_PER_NODE, SMALLEST, ZONES


@st.composite
def ranges(draw: st.DrawFn) -> IPv4Network:
    prefix = draw(st.integers(LARGEST, SMALLEST))
    index = draw(st.integers(0, 2 ** (prefix - 8) - 1))
    first = draw(st.sampled_from([10, 100, 172, 192]))
    return IPv4Network(((first << 24) + (index << (32 - prefix)), prefix))


@given(network=ranges(), zones=st.integers(1, ZONES))
def test_subnets_lie_in_the_range_and_never_meet(network: IPv4Network, zones: int) -> None:
    plan = subnets.plan(str(network), zones)
    every = [*plan.nodes, *plan.data, *plan.public]
    assert len(every) == 3 * zones
    assert all(each.subnet_of(network) for each in every)
    assert not any(a.overlaps(b) for a, b in combinations(every, 2))
    # AWS takes no smaller subnet, and no larger one.
    assert all(16 <= each.prefixlen <= 28 for each in every)
    assert not plan.services.overlaps(network)


@given(network=ranges())
def test_a_zone_that_is_added_moves_nothing(network: IPv4Network) -> None:
    plans = [subnets.plan(str(network), zones) for zones in range(1, ZONES + 1)]
    for fewer, more in combinations(plans, 2):
        for kind in ("nodes", "data", "public"):
            before, after = getattr(fewer, kind), getattr(more, kind)
            assert after[: len(before)] == before
        assert fewer.services == more.services


@given(nodes=st.integers(1, 3000), pods=st.integers(0, 100_000), zones=st.integers(1, ZONES))
def test_the_smallest_range_is_enough_and_none_smaller_is(nodes: int, pods: int, zones: int) -> None:
    wanted = subnets.needed(nodes, pods)
    prefix = subnets.smallest_prefix(wanted, zones)
    holds = [p for p in range(LARGEST, SMALLEST + 1) if subnets.plan(f"10.0.0.0/{p}", zones).addresses >= wanted]
    assert prefix == (max(holds) if holds else None)


@given(nodes=st.integers(1, 3000), pods=st.integers(0, 100_000), more=st.integers(1, 50))
def test_more_machines_and_more_pods_take_more(nodes: int, pods: int, more: int) -> None:
    assert subnets.needed(nodes + more, pods) > subnets.needed(nodes, pods)
    assert subnets.needed(nodes, pods + more) >= subnets.needed(nodes, pods)
    # A machine holds so many pods and no more, whatever the quota says.
    full = nodes * PODS_PER_NODE
    assert subnets.needed(nodes, full + more) == subnets.needed(nodes, full)


def test_the_plan_of_the_documentation() -> None:
    plan = subnets.plan("10.64.0.0/20", 3)
    assert list(map(str, plan.nodes)) == ["10.64.0.0/22", "10.64.4.0/22", "10.64.8.0/22"]
    assert list(map(str, plan.data)) == ["10.64.12.0/25", "10.64.12.128/25", "10.64.13.0/25"]
    assert list(map(str, plan.public)) == ["10.64.13.128/25", "10.64.14.0/25", "10.64.14.128/25"]
    assert str(plan.services) == "172.20.0.0/16"


def test_services_leave_the_vpc_alone() -> None:
    assert subnets.services("172.20.0.0/20") == "10.100.0.0/16"
    assert not ip_network(subnets.services("10.100.0.0/16")).overlaps(ip_network("10.100.0.0/16"))


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/24", "fd00::/56", "10.0.0.1/20"])
def test_other_ranges_are_refused(cidr: str) -> None:
    with pytest.raises(ValueError, match=cidr[:7]):
        subnets.plan(cidr, 3)
