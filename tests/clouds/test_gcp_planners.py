"""Ranges, machines and quotas: what no cloud needs to be asked for."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from components.gcp import machines, names, ranges
from components.gcp.identities import condition
from components.settings.pools import PoolSettings


@given(st.integers(8, 22), st.integers(0, 2**24 - 1))
def test_the_parts_of_a_range_lie_in_it_and_do_not_meet(prefix: int, bits: int) -> None:
    whole = ip_network(((10 << 24) | bits, prefix), strict=False)
    assert isinstance(whole, IPv4Network)
    parts = list(vars(ranges.plan(str(whole))).values())
    assert all(part.subnet_of(whole) for part in parts)
    assert not any(a.overlaps(b) for a, b in combinations(parts, 2))


@given(st.integers(23, 32))
def test_a_range_that_is_too_small_is_refused(prefix: int) -> None:
    with pytest.raises(ranges.TooSmall, match="/22"):
        ranges.plan(f"10.0.0.0/{prefix}")


@given(st.integers(8, 22), st.integers(8, 256), st.integers(1, 500), st.integers(0, 20_000))
def test_what_is_advised_is_enough_and_no_more_than_needed(prefix: int, each: int, nodes: int, pods: int) -> None:
    cidr = f"10.0.0.0/{prefix}"
    message = ranges.problem(cidr, nodes, pods, each)
    if message is None:
        held = ranges.plan(cidr).machines(each)
        assert held >= nodes
        assert held * each >= pods
        return
    advised = int(message.partition("give it a /")[2].split(",")[0])
    if advised == 8:  # nothing is larger
        return
    assert advised < prefix
    assert ranges.problem(f"0.0.0.0/{advised}", nodes, pods, each) is None
    assert ranges.problem(f"0.0.0.0/{advised + 1}", nodes, pods, each) is not None


@pytest.mark.parametrize(("pods", "prefix"), [(8, 28), (16, 27), (32, 26), (64, 25), (65, 24), (110, 24), (256, 23)])
def test_a_machine_has_twice_as_many_addresses_as_pods(pods: int, prefix: int) -> None:
    # cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr, the table of ranges
    assert ranges.per_node(pods) == prefix


@pytest.mark.parametrize(
    ("pool", "chosen"),
    [
        ({}, "n2-standard-2"),
        ({"cpu": "4", "memory": "16Gi"}, "n2-standard-4"),
        ({"cpu": "4", "memory": "17Gi"}, "n2-standard-8"),
        ({"machine": "compute", "cpu": "30"}, "n2-highcpu-32"),
        ({"machine": "memory", "memory": "500Gi"}, "n2-highmem-64"),
        ({"machine": "gpu"}, "g2-standard-4"),
        ({"machine": "gpu", "gpu": 1, "memory": "100Gi"}, "g2-standard-32"),
        ({"machine": "gpu", "gpu": 4}, "g2-standard-48"),
        ({"size": "a2-highgpu-1g"}, "a2-highgpu-1g"),
    ],
)
def test_the_smallest_machine_that_has_what_is_asked_for(pool: dict[str, object], chosen: str) -> None:
    assert machines.chosen(PoolSettings.model_validate({"max": 1, **pool})) == chosen


@given(st.sampled_from(["general", "compute", "memory", "gpu"]), st.integers(1, 300), st.integers(1, 2000))
def test_a_machine_has_what_is_asked_for_or_is_refused(kind: str, cpu: int, memory: int) -> None:
    pool = PoolSettings.model_validate({"machine": kind, "cpu": str(cpu), "memory": f"{memory}Gi", "max": 1})
    try:
        name = machines.chosen(pool)
    except machines.NoMachine as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "the largest" in refusal
        return
    assert int(name.rpartition("-")[2]) >= cpu


@pytest.mark.parametrize(
    ("kind", "quota"),
    [
        ("n2-standard-4", "N2-CPUS-per-project-region"),
        ("e2-standard-2", "CPUS-per-project-region"),
        ("c3-highcpu-8", "C3-CPUS-per-project-region"),
    ],
)
def test_cores_count_against_their_family(kind: str, quota: str) -> None:
    assert machines.cpu_quota(kind).id == quota


def test_gpus_count_against_their_type() -> None:
    assert machines.gpu_quota("nvidia-l4").id == "NVIDIA-L4-GPUS-per-project-region"
    spot = machines.spot_quota(machines.gpu_quota("nvidia-tesla-t4"))
    assert spot.id == "PREEMPTIBLE-NVIDIA-T4-GPUS-per-project-region"


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?-[a-z][a-z0-9]{0,19}", fullmatch=True))
def test_names_fit_their_services(owner: str) -> None:
    account = names.SERVICE_ACCOUNT.fit(owner, "deploy")
    assert 6 <= len(account) <= 30
    database = names.database("p" * 30).fit(owner, "0badcafe")
    assert len(f"{'p' * 30}:{database}") <= 98
    assert len(names.COMPUTE.fit(owner, "private-services")) <= 63


@pytest.mark.parametrize("name", ["goog-data", "my-google-data", "g00gle", "UPPER", "a"])
def test_names_that_cloud_storage_keeps_are_refused(name: str) -> None:
    with pytest.raises(naming.NameRefused):
        names.BUCKET.check(name)


def test_a_condition_lets_objects_and_listings_in_by_prefix() -> None:
    said = condition("results", "buckets/ada/")
    assert said == (
        "resource.name.startsWith('projects/_/buckets/results/objects/buckets/ada/') || "
        "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('buckets/ada/')"
    )
