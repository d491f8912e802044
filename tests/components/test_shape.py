"""What holds for everything the program registers, whatever the stack declares.

It proves what is asked of the engine; that a real API server takes it is for tests/platform.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.tiers import Tier
from policies.rules.cluster_gate import Lists, policies
from policies.rules.namespaces import ENVIRONMENT_LABEL, TIER_LABEL
from tests.support.admission import policy_spec

GOLDEN = Path(__file__).parent / "logical-names.json"
STACKS = ("platform", "dev", "test", "prod")
CLUSTER_SCOPED = {
    *("Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    "ClusterQueue",
    "ResourceFlavor",
    "WorkloadPriorityClass",
}
Block = Callable[..., dict[str, Any]]


def test_the_program_registers_something(reference: Any) -> None:
    assert len(reference.objects) >= 5


def test_every_child_has_a_parent(reference: Any) -> None:
    orphans = [
        r.name
        for r in reference.registrations
        if not r.parent or "pulumi:pulumi:Stack" in r.parent.split("::")[2].split("$")[-1]
    ]
    tops = {"churn-dev", "churn-test", "churn-prod", "shared", "shared-cluster", "lake--shared"}
    assert set(orphans) <= tops
    assert len(orphans) <= 2


def test_every_object_goes_through_the_one_explicit_provider(reference: Any) -> None:
    providers = {r.provider for r in [*reference.objects, *reference.reads]}
    assert len(providers) == 1
    assert "-cluster::" in providers.pop()


def test_every_component_registers_its_outputs(reference: Any) -> None:
    assert reference.components
    missing = [name for urn, name in reference.components.items() if urn not in reference.registered_outputs]
    assert missing == []


@pytest.mark.parametrize("tier", Tier)
def test_namespaces_and_the_identity_are_protected_in_every_tier(tier: Tier, run: Any, environment: Block) -> None:
    recorded = run("dev", environment(tier))
    protected = {r.name for r in recorded.registrations if r.protect}
    assert protected == {*recorded.of("Namespace"), "churn-x-identity"}


def test_every_object_bears_the_labels_that_cost_is_tracked_by(reference: Any) -> None:
    for item in reference.objects:
        labels = item.metadata["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "terrarium", item.name
        assert labels["terrarium.dev/cost-centre"], item.name
        owners = {"terrarium.dev/environment", "terrarium.dev/platform", "terrarium.dev/lake"}
        assert owners & set(labels), item.name


def test_a_slice_makes_nothing_cluster_scoped_but_its_namespace_and_its_queue(run: Any) -> None:
    for stack in ("dev", "test"):
        recorded = run(stack)
        scoped = [r.name for r in recorded.objects if r.short in CLUSTER_SCOPED or "namespace" not in r.metadata]
        assert sorted(scoped) == [f"churn-{stack}-namespace", f"churn-{stack}-queue"]


def test_every_object_of_an_environment_lives_in_its_namespace_but_its_descriptor(run: Any) -> None:
    recorded = run("dev")
    namespaced = [r for r in recorded.objects if r.short not in CLUSTER_SCOPED]
    assert {r.metadata["namespace"] for r in namespaced} == {"churn-dev", "terrarium-system"}
    assert {r.name for r in namespaced if r.metadata["namespace"] == "terrarium-system"} == {
        "churn-dev-descriptor",
        "churn-dev-descriptor-reader",
        "churn-dev-descriptor-reader-binding",
    }


def test_an_environment_that_owns_its_cluster_makes_the_platform_inside(run: Any) -> None:
    recorded = run("prod")
    assert "churn-prod-platform" in recorded.components.values()
    assert recorded.reads == []
    assert set(recorded.of("PriorityClass")) == {"churn-prod-platform-priority-production"}
    assert {r.metadata["name"] for r in recorded.of("Namespace").values()} == {"churn-prod", "terrarium-system"}


@pytest.mark.parametrize(
    ("stack", "name", "shared"), [("platform", "shared", True), ("prod", "churn-prod-platform", False)]
)
def test_only_a_platform_stack_says_that_it_takes_slices(stack: str, name: str, shared: bool, run: Any) -> None:
    published = run(stack).of("ConfigMap")[f"{name}-descriptor"].inputs["data"]["descriptor.json"]
    assert json.loads(published)["shared"] is shared


def test_a_platform_makes_a_priority_for_each_tier_it_takes(run: Any) -> None:
    classes = {r.metadata["name"]: r.inputs for r in run("platform").of("PriorityClass").values()}
    assert {name: (c["value"], c["preemptionPolicy"]) for name, c in classes.items()} == {
        "terrarium-experimentation": (1_000, "Never"),
        "terrarium-testing": (10_000, "PreemptLowerPriority"),
    }


@pytest.mark.parametrize("stack", ["platform", "prod"])
def test_a_platform_closes_services_that_reach_out_of_an_environment(stack: str, run: Any) -> None:
    policy, binding = _admission(run(stack), "services")
    assert policy.inputs["spec"]["failurePolicy"] == "Fail"
    assert policy.inputs["spec"]["matchConstraints"] == {
        "namespaceSelector": {"matchExpressions": [{"key": "terrarium.dev/environment", "operator": "Exists"}]},
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["services"]}
        ],
    }
    closed = " ".join(v["expression"] for v in policy.inputs["spec"]["validations"])
    assert "externalIPs" in closed
    assert "'ExternalName'" in closed
    assert binding.inputs["spec"] == {"policyName": policy.metadata["name"], "validationActions": ["Deny"]}


@pytest.mark.parametrize("stack", ["platform", "prod"])
def test_a_platform_puts_the_rules_in_force_that_the_api_server_can_judge(stack: str, run: Any, tmp_path: Path) -> None:
    """Exactly as tests/policies tries them on an API server, with security's lists."""
    waivers = tmp_path / "policies" / "waivers"
    waivers.mkdir(parents=True)
    (waivers / "approved.yaml").write_text("registries: [registry.example/churn]", encoding="utf-8")
    recorded = run(stack)
    made = policies(Lists(("registry.example/churn",)))
    assert {policy.topic for policy in made} == {"images", "placement", "inputs", "namespaces"}
    for policy in made:
        registered, binding = _admission(recorded, policy.topic)
        assert registered.inputs["spec"] == policy_spec(policy)
        assert binding.inputs["spec"] == {"policyName": registered.metadata["name"], "validationActions": ["Deny"]}
    # Beside them, what no rule reads: Services, and jobs that stand in no queue.
    assert len(recorded.of("ValidatingAdmissionPolicy")) == len(made) + 2


def test_the_labels_of_namespaces_are_those_that_admission_goes_by(run: Any) -> None:
    [labels] = [r.metadata["labels"] for r in run("dev").of("Namespace").values()]
    assert (labels[ENVIRONMENT_LABEL], labels[TIER_LABEL]) == ("churn-dev", "experimentation")
    assert all(ENVIRONMENT_LABEL not in r.metadata["labels"] for r in run("platform").of("Namespace").values())


@pytest.mark.parametrize("stack", STACKS)
def test_a_descriptor_says_its_version_and_no_secret(stack: str, run: Any) -> None:
    recorded = run(stack)
    for item in recorded.of("ConfigMap").values():
        text = item.inputs["data"]["descriptor.json"]
        assert isinstance(text, str)  # a secret would be an object with a signature
        descriptor = json.loads(text)
        assert descriptor["contractVersion"] == 1
        assert not {"kubeconfig", "token", "password", "secret"} & {key.lower() for key in descriptor}
        if descriptor["kind"] == "environment":
            assert descriptor == json.loads(json.dumps(recorded.outputs))
            assert descriptor["uid"] == "0badcafe"


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_with_unknown_outputs_registers_what_the_update_does(stack: str, run: Any) -> None:
    preview, update = run(stack, preview=True), run(stack)
    assert _names(preview) == _names(update)
    assert update.outputs["contractVersion"] == 1


def test_settings_that_are_refused_register_nothing(run: Any, environment: Block) -> None:
    with pytest.raises(Exception, match=r"people\.members"):
        run("dev", environment("production", people={"members": ["team"]}))


@pytest.mark.parametrize("platform", ["other", "shared2"])
def test_a_slice_of_another_platform_than_the_clusters_is_refused(platform: str, run: Any, environment: Block) -> None:
    with pytest.raises(Exception, match=f"the cluster belongs to platform shared, not {platform}"):
        run("dev", environment(cloud={"kubernetes": {"context": "c", "platform": platform}}))


@pytest.mark.parametrize("more", [{}, {"kubeconfig": "/mnt/clusters.yaml"}])
def test_access_names_the_kubeconfig_that_the_stack_file_gives(
    more: dict[str, str], run: Any, environment: Block
) -> None:
    cloud = {"kubernetes": {"context": "c", **more}}
    recorded = run("dev", environment(cloud=cloud))
    assert recorded.outputs["access"] == {"context": "c", **more}


def _admission(recorded: Any, topic: str) -> tuple[Any, Any]:
    """Return a topic's policy and its binding."""
    policy, binding = (
        next(r for r in recorded.of(kind).values() if r.metadata["name"] == f"terrarium-{topic}")
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    )
    return policy, binding


def _names(recorded: Any) -> list[str]:
    return sorted(f"{r.kind} {r.name}" for r in [*recorded.registrations, *recorded.reads])


def test_logical_names_are_those_that_stacks_in_use_have(run: Any) -> None:
    """A renamed resource is replaced in every stack: give it an alias, then accept the new name here."""
    found = {stack: _names(run(stack)) for stack in STACKS}
    if "ACCEPT_NAMES" in os.environ:
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8")), (
        "accept with: ACCEPT_NAMES=1 .venv/bin/pytest tests/components/test_shape.py"
    )
