"""What the API server itself must refuse: gate 3, which holds whoever asks and however."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.carriers import Kind
from policies.rules.model import EVERY_TIER, SHARED_TIERS, STACK, Facts, Finding, Resource, Severity, rule
from policies.rules.workloads import ANY_KUBERNETES, objects

_GROUP = "admissionregistration.k8s.io"
_POLICY = Kind(_GROUP, "ValidatingAdmissionPolicy")
_BINDING = Kind(_GROUP, "ValidatingAdmissionPolicyBinding")
_CLUSTERS = ("aws:eks/cluster:Cluster", "gcp:container/cluster:Cluster", "scaleway:kubernetes/cluster:Cluster")


@rule(
    "admission-fails-closed",
    title="Admission policies refuse when they can't decide.",
    reason="A policy that is passed over when it errs, or when its parameters are gone, is switched off by deleting "
    "them.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("GKE 4.5.1", "kubernetes PR #115747"),
    remedy="Set failurePolicy Fail (the default), validationActions [Deny] and parameterNotFoundAction Deny.",
    types=(ANY_KUBERNETES,),
    kinds=("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
def fails_closed(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """failurePolicy is Fail, bindings deny, and missing parameters deny too."""
    for kind, node, partial in objects(resource):
        spec = node.get("spec")
        if kind == _POLICY and not spec.get("failurePolicy").absent:
            yield from spec.get("failurePolicy").must_be_among(["Fail"], "lets pass what it can't judge")
        if kind == _BINDING:
            actions = spec.get("validationActions")
            if not any(action.text == "Deny" for action in actions.entries()) and not (partial and actions.absent):
                yield actions.fault("denies nothing")
            if not spec.get("paramRef").absent:
                missing = spec.get("paramRef", "parameterNotFoundAction")
                yield from missing.must_be_among(["Deny"], "lets everything pass when the parameters are gone")


@rule(
    "admission-present",
    title="A cluster comes with admission policies in force.",
    reason="Gates 1 and 2 see what Pulumi makes; a pod by kubectl passes them by.",
    severity=Severity.CRITICAL,
    tiers=SHARED_TIERS,
    sources=("GKE 4.5.1", "own"),
    remedy="Make the platform part with the cluster, or bind a ValidatingAdmissionPolicy.",
    types=(STACK,),
    kinds=("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    about=_CLUSTERS,
)
def present(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """Where the stack makes a cluster, it makes a policy and its binding too."""
    kinds = {kind for one in facts.resources for kind, _, _ in objects(one)}
    if not {_POLICY, _BINDING} <= kinds:
        for one in facts.resources:
            if one.type in _CLUSTERS:
                yield Finding("", "has no admission policy in force", resource=one)
