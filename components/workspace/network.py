"""Network policies: everything is refused, then each way in and out is allowed by a policy of its own.

A cluster without a policy engine stores these policies and filters nothing, and its API does not tell: whoever makes
the cluster must see to an engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, LabelSelectorRequirementArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)

from components import naming
from components.addressing import PRIVATE_IPV4, PRIVATE_IPV6
from components.contract import Destination
from components.labels import LABEL
from components.settings.models import EgressAllowance, IngressAllowance, NetworkSettings
from components.workspace.scope import Scope

# The label that Kubernetes itself puts on every namespace (KEP-2161).
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
# The cluster's resolver, and its cache on each node: GKE has one by default from 1.33.1, and Dataplane V2 sends pods'
# questions there and holds policies against the cache ("Set up NodeLocal DNSCache").
_RESOLVERS = ("kube-dns", "node-local-dns")


def network_policies(scope: Scope, network: NetworkSettings) -> list[NetworkPolicy]:
    """Make the environment's policies.

    Args:
        scope: Where.
        network: What is allowed.
    """
    policies = [_default_deny(scope), _dns(scope), _within(scope)]
    if network.egress == "open":
        policies.append(_internet(scope))
    policies.extend(_egress(scope, key, allowance) for key, allowance in network.egress_to.items())
    policies.extend(_ingress(scope, key, allowance) for key, allowance in network.ingress_from.items())
    return policies


def to_destinations(scope: Scope, name: str, destinations: Sequence[Destination], why: str) -> NetworkPolicy:
    """Make a policy that lets every pod through to some destinations.

    Args:
        scope: Where.
        name: The policy's name.
        destinations: The destinations.
        why: What it is for; security reads it.
    """
    rules = [
        NetworkPolicyEgressRuleArgs(
            to=[NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=destination.cidr))],
            ports=[NetworkPolicyPortArgs(port=destination.port, protocol="TCP")],
        )
        for destination in destinations
    ]
    return _policy(scope, name, egress=rules, why=why)


def _policy(
    scope: Scope,
    name: str,
    *,
    ingress: Sequence[NetworkPolicyIngressRuleArgs] | None = None,
    egress: Sequence[NetworkPolicyEgressRuleArgs] | None = None,
    why: str,
) -> NetworkPolicy:
    types = [kind for kind, rules in (("Ingress", ingress), ("Egress", egress)) if rules is not None]
    return NetworkPolicy(
        scope.logical(name),
        metadata=scope.metadata(naming.OBJECT.check(name), {f"{LABEL}/why": why}),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(),  # every pod
            policy_types=types,
            ingress=ingress or None,
            egress=egress or None,
        ),
        opts=scope.opts,
    )


def _default_deny(scope: Scope) -> NetworkPolicy:
    return _policy(scope, "default-deny", ingress=[], egress=[], why="nothing passes that no policy allows")


def _dns(scope: Scope) -> NetworkPolicy:
    resolver = NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels={_NAMESPACE_NAME: "kube-system"}),
        pod_selector=LabelSelectorArgs(
            match_expressions=[LabelSelectorRequirementArgs(key="k8s-app", operator="In", values=list(_RESOLVERS))]
        ),
    )
    ports = [NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")]
    return _policy(
        scope, "allow-dns", egress=[NetworkPolicyEgressRuleArgs(to=[resolver], ports=ports)], why="names are resolved"
    )


def _within(scope: Scope) -> NetworkPolicy:
    own = NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs())
    return _policy(
        scope,
        "allow-within",
        ingress=[NetworkPolicyIngressRuleArgs(from_=[own])],
        egress=[NetworkPolicyEgressRuleArgs(to=[own])],
        why="pods of one environment work together",
    )


def _internet(scope: Scope) -> NetworkPolicy:
    peers = [
        NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr="0.0.0.0/0", except_=list(PRIVATE_IPV4))),
        NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr="::/0", except_=list(PRIVATE_IPV6))),
    ]
    return _policy(
        scope, "allow-internet", egress=[NetworkPolicyEgressRuleArgs(to=peers)], why="experiments fetch what they need"
    )


def _egress(scope: Scope, key: str, allowance: EgressAllowance) -> NetworkPolicy:
    peer = NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=allowance.cidr))
    rule = NetworkPolicyEgressRuleArgs(to=[peer], ports=_ports(allowance))
    return _policy(scope, f"egress-to-{key}", egress=[rule], why=allowance.why)


def _ingress(scope: Scope, key: str, allowance: IngressAllowance) -> NetworkPolicy:
    # An environment's namespace bears its label, so it can't be let in by naming it here.
    no_environment = LabelSelectorRequirementArgs(key=f"{LABEL}/environment", operator="DoesNotExist")
    peer = NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(
            match_labels={_NAMESPACE_NAME: allowance.namespace}, match_expressions=[no_environment]
        )
    )
    rule = NetworkPolicyIngressRuleArgs(from_=[peer], ports=_ports(allowance))
    return _policy(scope, f"ingress-from-{key}", ingress=[rule], why=allowance.why)


def _ports(allowance: EgressAllowance | IngressAllowance) -> list[NetworkPolicyPortArgs]:
    return [NetworkPolicyPortArgs(port=port, protocol=allowance.protocol) for port in allowance.ports]
