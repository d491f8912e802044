"""Who may do what, as a table; and that nobody can open what keeps environments apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from components.compute import GpuResource
from components.tiers import Tier

Block = Callable[..., dict[str, Any]]
KINDS = ("members", "readers", "automation", "promoters")
MATRIX = {
    Tier.EXPERIMENTATION: {"members": "writer", "readers": "reader", "automation": "deployer"},
    Tier.TESTING: {"members": "reader", "readers": "reader", "automation": "deployer", "promoters": "launcher"},
    Tier.PRODUCTION: {"readers": "reader", "automation": "deployer", "promoters": "launcher"},
}
CAN = [
    # right, group, resource, verb, may
    ("reader", "", "pods/log", "get", True),
    ("reader", "batch", "jobs", "create", False),
    ("reader", "", "configmaps", "update", False),
    ("launcher", "batch", "jobs", "create", True),
    ("launcher", "batch", "cronjobs", "patch", True),
    ("launcher", "apps", "deployments", "patch", False),
    ("launcher", "", "pods/exec", "create", False),
    ("deployer", "apps", "deployments", "patch", True),
    ("deployer", "", "services", "create", True),
    ("deployer", "", "pods/exec", "create", False),
    ("deployer", "", "pods", "create", False),
    ("writer", "", "pods", "delete", True),
    ("writer", "", "pods/exec", "create", True),
    ("writer", "", "secrets", "get", True),
]
NEVER_CHANGED = {
    "roles",
    "rolebindings",
    "resourcequotas",
    "limitranges",
    "networkpolicies",
    "serviceaccounts",
    "namespaces",
}
READING = {"get", "list", "watch"}


def _everybody(tier: Tier) -> dict[str, list[str]]:
    return {kind: [f"{kind}-group"] for kind in KINDS if not (tier == Tier.PRODUCTION and kind == "members")}


@pytest.fixture
def roles(run: Any, environment: Block) -> dict[str, list[dict[str, Any]]]:
    """The rules of every role that any tier makes, by right."""
    found: dict[str, list[dict[str, Any]]] = {}
    for tier in Tier:
        for role in run("dev", environment(tier, people=_everybody(tier))).of("Role").values():
            if role.metadata["namespace"] == "churn-x":
                found[role.metadata["name"]] = role.inputs["rules"]
    assert set(found) == {"reader", "writer", "deployer", "launcher"}
    return found


def _may(rules: list[dict[str, Any]], group: str, resource: str, verb: str) -> bool:
    return any(group in r["apiGroups"] and resource in r["resources"] and verb in r["verbs"] for r in rules)


@pytest.mark.parametrize("tier", Tier)
def test_each_group_is_bound_to_its_tiers_right_and_to_no_other(tier: Tier, run: Any, environment: Block) -> None:
    recorded = run("dev", environment(tier, people={**_everybody(tier), "readers": ["readers-group"]}))
    bound = {
        (subject["name"].removesuffix("-group"), binding.inputs["roleRef"]["name"])
        for binding in recorded.of("RoleBinding").values()
        for subject in binding.inputs["subjects"]
        if binding.metadata["namespace"] == "churn-x"
    }
    assert bound == set(MATRIX[tier].items())


def test_subjects_are_groups_and_bindings_name_roles_of_the_namespace(run: Any, environment: Block) -> None:
    for binding in run("dev", environment(people=_everybody(Tier.EXPERIMENTATION))).of("RoleBinding").values():
        assert binding.inputs["roleRef"]["kind"] == "Role"
        assert {subject["kind"] for subject in binding.inputs["subjects"]} == {"Group"}


@pytest.mark.parametrize("row", CAN, ids=lambda row: " ".join(map(str, row)))
def test_a_right_opens_what_it_says(
    row: tuple[str, str, str, str, bool], roles: dict[str, list[dict[str, Any]]]
) -> None:
    right, group, resource, verb, may = row
    assert _may(roles[right], group, resource, verb) is may


def test_no_role_escalates(roles: dict[str, list[dict[str, Any]]]) -> None:
    for right, rules in roles.items():
        for rule in rules:
            words = {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            assert not words & {"*", "escalate", "bind", "impersonate", "serviceaccounts/token"}, right
            if NEVER_CHANGED & set(rule["resources"]):
                assert set(rule["verbs"]) <= READING, right


def test_only_writers_see_secrets(roles: dict[str, list[dict[str, Any]]]) -> None:
    assert [right for right, rules in roles.items() if any("secrets" in r["resources"] for r in rules)] == ["writer"]


@pytest.mark.parametrize("tier", Tier)
def test_whoever_has_a_right_reads_the_environments_descriptor_and_nobody_changes_it(
    tier: Tier, run: Any, environment: Block
) -> None:
    recorded = run("dev", environment(tier, people=_everybody(tier)))
    role = recorded.of("Role")["churn-x-descriptor-reader"]
    assert (role.metadata["namespace"], role.metadata["name"]) == ("terrarium-system", "descriptor-churn-x")
    assert role.inputs["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["churn-x"], "verbs": ["get"]}
    ]
    binding = recorded.of("RoleBinding")["churn-x-descriptor-reader-binding"]
    assert binding.inputs["roleRef"]["name"] == "descriptor-churn-x"
    assert [s["name"] for s in binding.inputs["subjects"]] == sorted(f"{kind}-group" for kind in MATRIX[tier])
    assert recorded.of("ConfigMap")["churn-x-descriptor"].metadata["name"] == "churn-x"


def test_a_group_without_a_right_in_the_tier_reads_no_descriptor(run: Any, environment: Block) -> None:
    recorded = run("dev", environment(people={"readers": [], "automation": [], "promoters": ["leads"]}))
    assert "churn-x-descriptor-reader" not in recorded.of("Role")


def test_nobody_gets_a_role_that_nobody_has(run: Any, environment: Block) -> None:
    recorded = run("dev", environment(people={"readers": [], "automation": []}))
    assert recorded.of("Role") == recorded.of("RoleBinding") == {}


def test_nobody_but_its_administrators_reads_the_platforms_descriptor(run: Any) -> None:
    recorded = run("platform")
    assert recorded.of("ConfigMap")["shared-descriptor"].metadata["name"] == "terrarium"
    assert recorded.of("Role") == recorded.of("RoleBinding") == {}


def test_workloads_run_without_a_token(run: Any) -> None:
    [account] = run("dev").of("ServiceAccount").values()
    assert account.inputs["automountServiceAccountToken"] is False


def test_the_quota_closes_ways_in_and_foreign_priorities(run: Any, environment: Block) -> None:
    quotas = {r.metadata["name"]: r.inputs["spec"] for r in run("dev", environment()).of("ResourceQuota").values()}
    hard = quotas["quota"]["hard"]
    assert (hard["services.loadbalancers"], hard["services.nodeports"]) == ("0", "0")
    # Of every vendor, or a pod by hand took what `quota.gpu` does not give.
    assert {key: hard[f"requests.{key}"] for key in get_args(GpuResource)} == dict.fromkeys(get_args(GpuResource), "0")
    counted = {key: value for key, value in hard.items() if key.startswith("count/")}
    assert counted == {"count/jobs.batch": "1000", "count/configmaps": "500", "count/secrets": "500"}
    foreign = quotas["foreign-priorities"]
    assert foreign["hard"] == {"pods": "0"}
    assert foreign["scopeSelector"]["matchExpressions"][1]["values"] == ["terrarium-experimentation"]
