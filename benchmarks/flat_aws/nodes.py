"""What the cluster's nodes are made of, written out: the NodeClass, the pools, disks, network policies switched on."""

from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.storage.v1 import StorageClass

from benchmarks.flat_aws.cluster import Cluster
from benchmarks.flat_aws.network import Network
from benchmarks.flat_aws.place import LABELS, NAME, TAGS

GROWS = {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "1m"}


def nodes(network: Network, cluster: Cluster, opts: pulumi.ResourceOptions) -> None:
    """Make it all."""
    ConfigMap(
        f"{NAME}-network-policies",
        metadata=ObjectMetaArgs(name="amazon-vpc-cni", namespace="kube-system", labels=LABELS),
        data={"enable-network-policy-controller": "true"},
        opts=opts,
    )
    known = {key: TAGS[key] for key in ("environment", "managed-by")}
    tags = {f"tagSpecification_{n}": f"{key}={value}" for n, (key, value) in enumerate(known.items(), 1)}
    StorageClass(
        f"{NAME}-disks",
        metadata=ObjectMetaArgs(
            name="auto-ebs", labels=LABELS, annotations={"storageclass.kubernetes.io/is-default-class": "true"}
        ),
        provisioner="ebs.csi.eks.amazonaws.com",
        volume_binding_mode="WaitForFirstConsumer",
        allow_volume_expansion=True,
        parameters={"type": "gp3", "encrypted": "true", **tags},
        opts=opts,
    )
    node_class = CustomResource(
        f"{NAME}-node-class",
        api_version="eks.amazonaws.com/v1",
        kind="NodeClass",
        metadata=ObjectMetaArgs(name="terrarium", labels=LABELS),
        spec={
            "role": cluster.node_role,
            "subnetSelectorTerms": [{"id": subnet.id} for subnet in network.nodes],
            "securityGroupSelectorTerms": [{"id": cluster.group}],
            "networkPolicy": "DefaultAllow",
            "networkPolicyEventLogs": "Enabled",
            "ephemeralStorage": {"size": "80Gi"},
            "tags": TAGS,
        },
        opts=opts,
    )
    after = pulumi.ResourceOptions(parent=opts.parent, provider=opts.provider, depends_on=[node_class])
    general = template("general", "m", [])
    gpus = [
        {"key": "eks.amazonaws.com/instance-gpu-count", "operator": "In", "values": ["1"]},
        {"key": "eks.amazonaws.com/instance-gpu-manufacturer", "operator": "In", "values": ["nvidia"]},
    ]
    training = template("training", "g", gpus)
    training["spec"]["taints"] = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    pool("general", {"template": general, "limits": {"cpu": "28"}, "disruption": GROWS}, after)
    pool("general-base", {"template": general, "replicas": 3, "limits": {"nodes": 4}}, after)
    pool("training", {"template": training, "limits": {"cpu": "8"}, "disruption": GROWS}, after)


def pool(name: str, spec: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
    """Make a pool."""
    CustomResource(
        f"{NAME}-pool-{name}",
        api_version="karpenter.sh/v1",
        kind="NodePool",
        metadata=ObjectMetaArgs(name=name, labels=LABELS),
        spec=spec,
        opts=opts,
    )


def template(name: str, category: str, more: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the machines of a pool are like."""
    requirements = [
        {"key": "eks.amazonaws.com/instance-category", "operator": "In", "values": [category]},
        {"key": "eks.amazonaws.com/instance-generation", "operator": "Gt", "values": ["4"]},
        {"key": "eks.amazonaws.com/instance-cpu", "operator": "In", "values": ["4"]},
        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
        *more,
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
    ]
    return {
        "metadata": {"labels": {"terrarium.dev/pool": name}},
        "spec": {
            "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "terrarium"},
            "requirements": requirements,
        },
    }
