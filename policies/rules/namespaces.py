"""Namespaces: the border of an environment inside its cluster."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.carriers import Kind
from policies.rules.model import EVERY_TIER, SHARED_TIERS, STACK, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node
from policies.rules.workloads import ANY_KUBERNETES, EVERY_KIND, objects, pods

_NAMESPACE = Kind("", "Namespace")
_POLICY = Kind("networking.k8s.io", "NetworkPolicy")
TIER_LABEL = "terrarium.dev/tier"
ENVIRONMENT_LABEL = "terrarium.dev/environment"
"""What an environment's namespace and all in it are labelled with; the namespace is called as the environment is."""
# Kubernetes keeps names that begin with `kube-` for the system; environments publish descriptors in the platform's own.
_SYSTEM = ("kube-", "terrarium-system")
_ENFORCE = "pod-security.kubernetes.io/enforce"


@rule(
    "namespace-explicit",
    title="Workloads name their namespace, and it is not `default`.",
    reason="Quota, network policies and rights hold per namespace; `default` has none of them.",
    severity=Severity.LOW,
    tiers=SHARED_TIERS,
    sources=("CKV_K8S_21", "EKS 4.5.2"),
    remedy="Set metadata.namespace to the environment's namespace.",
    types=(ANY_KUBERNETES,),
)
def namespace_explicit(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """What carries a pod stands in a namespace of its own."""
    for pod in pods(resource):
        namespace = pod.metadata.get("namespace")
        if namespace.absent or namespace.value in ("", "default"):
            yield namespace.fault("is `default`, said or meant")


@rule(
    "namespace-psa-label",
    title="Namespaces enforce Pod Security.",
    reason="Pods that controllers make, and those that somebody makes by hand, pass no rule but the API server's.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("Kyv pod-security", "GKE 4.2.1"),
    remedy=f"Label the namespace {_ENFORCE}: restricted (or baseline).",
    types=(ANY_KUBERNETES,),
    kinds=("Namespace",),
)
def psa_label(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """The label says baseline or restricted: privileged enforces nothing."""
    for kind, namespace, partial in objects(resource):
        label = namespace.get("metadata", "labels", _ENFORCE)
        if kind == _NAMESPACE and not (partial and label.absent):
            yield from label.must_be_among(["baseline", "restricted"], "enforces nothing")


@rule(
    "default-deny-netpol",
    title="Each namespace has a policy that denies all traffic.",
    reason="Without one every pod of the cluster reaches every other, whatever else is allowed.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("EKS 4.3.2", "NSA hardening guide"),
    remedy="Add a NetworkPolicy with podSelector {}, policyTypes [Ingress, Egress] and no rules.",
    types=(STACK,),
    kinds=("Namespace", "NetworkPolicy"),
)
def default_deny(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """For each namespace of the stack there is a policy for all pods, both ways, that allows nothing."""
    found = [(one, kind, node) for one in facts.resources for kind, node, _ in objects(one)]
    denied = {
        node.get("metadata", "namespace").text for _, kind, node in found if kind == _POLICY and _denies_all(node)
    }
    for one, kind, node in found:
        name = node.get("metadata", "name")
        if kind == _NAMESPACE and (not name.text or name.text not in denied):
            yield Finding("", "has no policy that denies all traffic both ways", unknown=name.unknown, resource=one)


@rule(
    "own-labels",
    title="Objects that name a tier or an environment name their own.",
    reason="These labels tell whose a thing is, who pays for it and who lives on a platform; a forged one hides it, or "
    "charges somebody else for it.",
    severity=Severity.MEDIUM,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy=f"Leave out {TIER_LABEL} and {ENVIRONMENT_LABEL}, or give them the values of the namespace.",
    types=(ANY_KUBERNETES,),
    kinds=EVERY_KIND,
    cel=f"['{TIER_LABEL}', '{ENVIRONMENT_LABEL}'].all(key, !(key in variables.labels) "
    "|| (key in variables.own && variables.labels[key] == variables.own[key]))",
)
def own_labels(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """The tier is the stack's, and the environment the one that the namespace is called after."""
    for kind, node, _ in objects(resource):
        metadata = node.get("metadata")
        tier = metadata.get("labels", TIER_LABEL)
        if not tier.absent:
            yield from tier.must_be_among([facts.tier.value], "is not the environment's tier")
        name = metadata.get("name" if kind == _NAMESPACE else "namespace")
        environment = metadata.get("labels", ENVIRONMENT_LABEL)
        # Where nothing says in which namespace it is, nothing says whose.
        if not (environment.absent or name.absent or name.text.startswith(_SYSTEM)):
            yield from environment.must_be_among([name.value], "is not the environment of its namespace")


def _denies_all(policy: Node) -> bool:
    spec = policy.get("spec")
    types = {entry.text for entry in spec.get("policyTypes").entries()}
    nothing = not spec.get("ingress").entries() and not spec.get("egress").entries()
    everyone = spec.get("podSelector")
    empty = all(below.value in ({}, []) for _, below in everyone.fields())
    return not everyone.absent and empty and types == {"Ingress", "Egress"} and nothing
