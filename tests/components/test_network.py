"""Nothing passes but what the settings allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.addressing import PRIVATE_IPV4, PRIVATE_IPV6
from components.tiers import Tier

Block = Callable[..., dict[str, Any]]
ALLOWANCE = {"cidr": "10.1.0.0/16", "ports": [443, 8443], "why": "registry"}
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
    assert [peer["ipBlock"] for peer in policy["egress"][0]["to"]] == [
        {"cidr": "0.0.0.0/0", "except": list(PRIVATE_IPV4)},
        {"cidr": "::/0", "except": list(PRIVATE_IPV6)},
    ]


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


def test_another_allowance_changes_no_other_logical_name(run: Any, environment: Block) -> None:
    def registered(**allowances: Any) -> dict[str, Any]:
        network = {"egress": "listed", "egress_to": allowances}
        return {r.name: r.inputs for r in run("dev", environment(network=network)).registrations}

    few, more = registered(m=ALLOWANCE, z=ALLOWANCE), registered(a=ALLOWANCE, m=ALLOWANCE, n=ALLOWANCE, z=ALLOWANCE)
    assert set(more) - set(few) == {"churn-x-egress-to-a", "churn-x-egress-to-n"}
    assert {name: more[name] for name in few} == few
