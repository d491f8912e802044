"""Nothing passes but what the settings allow."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from components.tiers import Tier

Block = Callable[..., dict[str, Any]]
ALLOWANCE = {"cidr": "10.1.0.0/16", "ports": [443, 8443], "why": "registry"}
NOT_THE_INTERNET = (
    *("10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1"),  # a company's own
    *("100.64.0.1", "100.127.255.254", "198.18.0.1", "198.19.255.254", "240.0.0.1", "255.255.255.255"),
    *("169.254.169.254", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),  # machine credentials
    *("224.0.0.1", "239.255.255.255", "ff02::1", "fc00::1", "fe80::1"),
    "64:ff9b::a9fe:a9fe",  # 169.254.169.254 through NAT64
)
THE_INTERNET = ("1.1.1.1", "9.255.255.255", "11.0.0.0", "168.63.129.15", "172.32.0.1", "192.0.1.1", "2606:4700::1111")
ALWAYS = {"default-deny", "allow-dns", "allow-within"}


def _policies(recorded: Any) -> dict[str, dict[str, Any]]:
    return {r.metadata["name"]: r.inputs["spec"] for r in recorded.of("NetworkPolicy").values()}


@pytest.mark.parametrize("tier", Tier)
def test_default_deny_selects_every_pod_in_both_directions_and_allows_nothing(
    tier: Tier, run: Any, environment: Block
) -> None:
    deny = _policies(run("dev", environment(tier)))["default-deny"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("tier", Tier)
def test_no_policy_but_those_that_are_listed(tier: Tier, run: Any, environment: Block) -> None:
    extra = {"allow-internet"} if tier == Tier.EXPERIMENTATION else set()
    assert set(_policies(run("dev", environment(tier)))) == ALWAYS | extra


def test_open_egress_is_the_internet_without_any_private_range(run: Any, environment: Block) -> None:
    policy = _policies(run("dev", environment(network={"egress": "open"})))["allow-internet"]
    assert policy["policyTypes"] == ["Egress"]
    blocks = [peer["ipBlock"] for peer in policy["egress"][0]["to"]]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", "::/0"]
    closed = [ip_network(cidr) for block in blocks for cidr in block["except"]]
    assert [a for a in NOT_THE_INTERNET if not any(ip_address(a) in network for network in closed)] == []
    assert [a for a in THE_INTERNET if any(ip_address(a) in network for network in closed)] == []


def test_listed_egress_is_each_destination_and_nothing_else(run: Any, environment: Block) -> None:
    policies = _policies(run("dev", environment(network={"egress": "listed", "egress_to": {"registry": ALLOWANCE}})))
    assert set(policies) == ALWAYS | {"egress-to-registry"}
    assert policies["egress-to-registry"] == {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
                "ports": [{"port": 443, "protocol": "TCP"}, {"port": 8443, "protocol": "TCP"}],
            }
        ],
    }


def test_a_way_in_is_one_namespace_that_is_no_environment(run: Any, environment: Block) -> None:
    ingress = {"gateway": {"namespace": "ingress", "ports": [80], "protocol": "UDP", "why": "x"}}
    policy = _policies(run("dev", environment(network={"ingress_from": ingress})))["ingress-from-gateway"]
    assert policy["policyTypes"] == ["Ingress"]
    [rule] = policy["ingress"]
    assert rule["ports"] == [{"port": 80, "protocol": "UDP"}]
    assert rule["from"] == [
        {
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": "ingress"},
                "matchExpressions": [{"key": "terrarium.dev/environment", "operator": "DoesNotExist"}],
            }
        }
    ]


def test_an_environments_namespace_bears_the_label_that_keeps_it_out_of_others(run: Any) -> None:
    [namespace] = run("dev").of("Namespace").values()
    assert "terrarium.dev/environment" in namespace.metadata["labels"]


def test_pods_of_one_environment_reach_only_each_other_and_the_resolver(run: Any, environment: Block) -> None:
    policies = _policies(run("test", environment("testing")))
    within = {"podSelector": {}}
    assert policies["allow-within"]["ingress"] == [{"from": [within]}]
    assert policies["allow-within"]["egress"] == [{"to": [within]}]
    [dns] = policies["allow-dns"]["egress"]
    assert {(p["port"], p["protocol"]) for p in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert dns["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    [requirement] = dns["to"][0]["podSelector"]["matchExpressions"]
    assert requirement == {"key": "k8s-app", "operator": "In", "values": ["kube-dns", "node-local-dns"]}


def test_another_allowance_changes_no_other_logical_name(run: Any, environment: Block) -> None:
    def registered(**allowances: Any) -> dict[str, Any]:
        network = {"egress": "listed", "egress_to": allowances}
        return {r.name: r.inputs for r in run("dev", environment(network=network)).registrations}

    few, more = registered(m=ALLOWANCE, z=ALLOWANCE), registered(a=ALLOWANCE, m=ALLOWANCE, n=ALLOWANCE, z=ALLOWANCE)
    assert set(more) - set(few) == {"churn-x-egress-to-a", "churn-x-egress-to-n"}
    assert {name: more[name] for name in few} == few
