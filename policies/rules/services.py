"""What of a cluster can be reached from outside."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.carriers import Kind
from policies.rules.model import SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node
from policies.rules.workloads import ANY_KUBERNETES, objects

_SERVICE = Kind("", "Service")
# Annotation and value by which each cloud's load balancer stays inside its network.
_INTERNAL = (
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", "true"),
    ("networking.gke.io/load-balancer-type", "Internal"),
    ("service.beta.kubernetes.io/scw-loadbalancer-private", "true"),
)


@rule(
    "service-not-public",
    title="Services are not reachable from outside the network.",
    reason="A load balancer has a public address unless it is told otherwise, and a node port is open on every node.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("GK block-loadbalancer-services", "GK block-nodeport-services", "CVE-2020-8554"),
    remedy="Use ClusterIP, or annotate the load balancer as internal.",
    types=(ANY_KUBERNETES,),
    kinds=("Service",),
    unknown=True,
)
def not_public(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No node port, no external address, and load balancers are internal; the default is ClusterIP."""
    for kind, service, _ in objects(resource):
        if kind != _SERVICE:
            continue
        sort = service.get("spec", "type")
        if sort.text == "LoadBalancer":
            if not _internal(service.get("metadata", "annotations")):
                yield sort.fault("has a public address")
        elif not sort.absent and sort.text != "ClusterIP":
            yield sort.fault("opens the cluster to the outside, or a name in it to any host")
        for address in service.get("spec", "externalIPs").entries():
            yield address.fault("takes over the traffic of an address")


@rule(
    "ingress-tls",
    title="Ingresses speak TLS.",
    reason="Sign-in tokens and data cross networks in plain text.",
    severity=Severity.MEDIUM,
    tiers=SHARED_TIERS,
    sources=("GK httpsonly", "EKS 5.4.5"),
    remedy="Set spec.tls with a certificate for each host.",
    types=(ANY_KUBERNETES,),
    kinds=("Ingress",),
)
def ingress_tls(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """spec.tls is there and names a Secret or relies on the controller's certificate."""
    for kind, ingress, partial in objects(resource):
        if kind.name == "Ingress" and kind.group in {"networking.k8s.io", "extensions"} and not partial:
            yield from ingress.get("spec", "tls").must_be_given("is not set")


def _internal(annotations: Node) -> bool:
    return any(annotations.get(key).text == value for key, value in _INTERNAL)
