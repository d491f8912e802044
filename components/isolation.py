"""Namespaces of ours in which nothing runs: no traffic goes in or out."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs


def closed(name: str, namespace: pulumi.Input[str], labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """Let no traffic into a namespace or out of it: whatever runs there has no business with environments.

    Args:
        name: Prefix of the logical name.
        namespace: The namespace.
        labels: Labels of its owner.
        opts: Parent and provider.
    """
    # Imported here: a slice makes none, and must not pay for this part of the SDK.
    from pulumi_kubernetes.networking.v1 import NetworkPolicy, NetworkPolicySpecArgs  # noqa: PLC0415

    NetworkPolicy(
        f"{name}-closed",
        metadata=ObjectMetaArgs(name="default-deny", namespace=namespace, labels=dict(labels)),
        spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
        opts=opts,
    )
