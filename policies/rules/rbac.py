"""Rights in a cluster: none wider than needed, none that can widen themselves."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node
from policies.rules.workloads import ANY_KUBERNETES, objects

_GROUP = "rbac.authorization.k8s.io"
_ROLES = ("Role", "ClusterRole")
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")
_EVERYBODY = {"system:anonymous", "system:unauthenticated", "system:authenticated"}
_RAISING_VERBS = {"bind", "escalate", "impersonate"}
# What gives the rights of others without those verbs: tokens of any account, signed certificates, the kubelet's API.
_RAISING_RESOURCES = {"serviceaccounts/token", "certificatesigningrequests/approval", "nodes/proxy"}
_CHANGES = {"create", "update", "patch", "*"}


@rule(
    "rbac-no-wildcard",
    title="Roles name what they allow.",
    reason="`*` includes what is installed next year, and secrets today.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_49", "EKS 4.1.3"),
    remedy="List the verbs, resources and API groups that are needed.",
    types=(ANY_KUBERNETES,),
    kinds=_ROLES,
)
def no_wildcard(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No rule holds `*`."""
    for entry in _rules(resource):
        for key in ("verbs", "resources", "apiGroups", "nonResourceURLs"):
            for value in entry.get(key).entries():
                if value.text in {"*", "/*"} or (not value.text and value.value != ""):
                    yield value.fault("allows everything")


@rule(
    "rbac-no-escalate",
    title="No role can raise its holder's rights.",
    reason="Whoever may bind, escalate, impersonate or sign tokens has every right of the cluster.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_K8S_157", "CKV_K8S_158", "EKS 4.1.8"),
    remedy="Have the platform bind roles; ask security if an operator can't work without.",
    types=(ANY_KUBERNETES,),
    kinds=_ROLES,
)
def no_escalate(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No verb or resource gives rights that the role does not name."""
    for entry in _rules(resource):
        verbs = {verb.text for verb in entry.get("verbs").entries()}
        for verb in entry.get("verbs").entries():
            if verb.text in _RAISING_VERBS:
                yield verb.fault("gives rights that the role does not name")
        for one in entry.get("resources").entries():
            reads = one.text == "nodes/proxy"  # its GET runs commands in pods
            if one.text in _RAISING_RESOURCES and (reads or verbs & _CHANGES):
                yield one.fault("gives rights that the role does not name")


@rule(
    "no-cluster-admin",
    title="Only listed subjects are cluster-admin.",
    reason="cluster-admin is past every rule of this catalogue.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("Kyv restrict-binding-clusteradmin", "EKS 4.1.1"),
    remedy="Bind a role of its own, or have security list the subject.",
    types=(ANY_KUBERNETES,),
    kinds=_BINDINGS,
)
def no_cluster_admin(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """Each subject of cluster-admin is on security's list, by kind and name."""
    for binding in _objects_of(resource, _BINDINGS):
        role = binding.get("roleRef", "name")
        if role.text == "cluster-admin" or not (role.text or role.absent):
            for subject in binding.get("subjects").entries():
                if _called(subject) not in facts.cluster_admins:
                    yield subject.fault("is not listed as cluster-admin")


@rule(
    "no-anonymous",
    title="No right is given to everybody.",
    reason="system:authenticated is anybody with any account of the cloud on some managed clusters (GKE).",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("GK disallowanonymous", "GKE 4.1.8", "GKE 4.1.9", "GKE 4.1.10"),
    remedy="Bind the group that needs it.",
    types=(ANY_KUBERNETES,),
    kinds=_BINDINGS,
)
def no_anonymous(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No subject is system:anonymous, system:unauthenticated or system:authenticated."""
    for binding in _objects_of(resource, _BINDINGS):
        for subject in binding.get("subjects").entries():
            name = subject.get("name")
            if name.text in _EVERYBODY or not name.text:
                yield name.fault("is everybody, or nobody that can be told")


def _objects_of(resource: Resource, kinds: tuple[str, ...]) -> Iterator[Node]:
    for kind, node, _ in objects(resource):
        if kind.group == _GROUP and kind.name in kinds:
            yield node


def _rules(resource: Resource) -> Iterator[Node]:
    for role in _objects_of(resource, _ROLES):
        yield from role.get("rules").entries()


def _called(subject: Node) -> str:
    return f"{subject.get('kind').text}:{subject.get('name').text}"
