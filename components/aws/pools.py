"""What a cluster's nodes are made of: the NodeClass, a NodePool for each pool, disks, and network policies switched on.

Follows docs.aws.amazon.com, EKS user guide: "Create a Node Class", "Create a Node Pool for EKS Auto Mode",
"Static-capacity node pools", "Use network policies with EKS Auto Mode", "Create a storage class".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.storage.v1 import StorageClass

from components.aws import machines
from components.aws.place import Vpc
from components.aws.settings import AwsSettings
from components.settings.pools import PoolSettings

_DISK = "80Gi"  # of a node, for images and scratch; what Auto Mode gives by itself


def pools(
    name: str,
    wanted: Mapping[str, PoolSettings],
    block: AwsSettings,
    vpc: Vpc,
    *,
    node_role: pulumi.Input[str],
    security_group: pulumi.Input[str],
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make the pools of a cluster, and what their nodes need.

    Args:
        name: Prefix of the logical names.
        wanted: The pools.
        block: The stack's `cloud.aws`.
        vpc: Where the nodes are.
        node_role: Name of the nodes' role.
        security_group: Id of the cluster's security group.
        labels: Labels of everything.
        opts: Parent and the cluster's provider.
    """
    _network_policies(name, labels, opts)
    _disks(name, vpc, labels, opts)
    node_class = CustomResource(
        f"{name}-node-class",
        api_version="eks.amazonaws.com/v1",
        kind="NodeClass",
        metadata=ObjectMetaArgs(name=machines.NODE_CLASS, labels=dict(labels)),
        spec={
            "role": node_role,
            "subnetSelectorTerms": [{"id": subnet} for subnet in vpc.node_subnets],
            "securityGroupSelectorTerms": [{"id": security_group}],
            "networkPolicy": "DefaultAllow",
            "networkPolicyEventLogs": "Enabled",
            "ephemeralStorage": {"size": _DISK},
            "tags": dict(vpc.account.tags),
        },
        opts=opts,
    )
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[node_class]))
    for pool_name, pool in wanted.items():
        cores = machines.machine(pool).cores or vpc.cores[pool.size or ""]
        specs = machines.node_pools(pool_name, pool, cores, block.machines.get(pool_name, {}))
        for called, spec in specs.items():
            CustomResource(
                f"{name}-pool-{called}",
                api_version="karpenter.sh/v1",
                kind="NodePool",
                metadata=ObjectMetaArgs(name=called, labels=dict(labels)),
                spec=spec,
                opts=after,
            )


def _network_policies(name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """Switch on what enforces network policies; without it they are taken and mean nothing."""
    ConfigMap(
        f"{name}-network-policies",
        metadata=ObjectMetaArgs(name="amazon-vpc-cni", namespace="kube-system", labels=dict(labels)),
        data={"enable-network-policy-controller": "true"},
        opts=opts,
    )


def _disks(name: str, vpc: Vpc, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> None:
    """Make the class that volume claims get by themselves: Auto Mode brings the driver, and no class."""
    # A class's parameters are fixed when it is made: only what never changes. Bills are grouped by the environment.
    known = {key: vpc.account.tags[key] for key in ("environment", "managed-by")}
    tags = {f"tagSpecification_{n}": f"{key}={value}" for n, (key, value) in enumerate(known.items(), 1)}
    StorageClass(
        f"{name}-disks",
        metadata=ObjectMetaArgs(
            name="auto-ebs",
            labels=dict(labels),
            annotations={"storageclass.kubernetes.io/is-default-class": "true"},
        ),
        provisioner="ebs.csi.eks.amazonaws.com",
        # A disk is made in the zone in which its pod runs.
        volume_binding_mode="WaitForFirstConsumer",
        allow_volume_expansion=True,
        parameters={"type": "gp3", "encrypted": "true", **tags},
        opts=opts,
    )


def kubeconfig(name: str, region: str, role: str | None, endpoint: str, authority: str) -> str:
    """Return a kubeconfig that signs in by `aws eks get-token`; it holds no secret.

    Args:
        name: The cluster's name.
        region: Its region.
        role: The role to assume, if the provider assumes one.
        endpoint: URL of its API.
        authority: Its certificate authority, in Base64.
    """
    arguments = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": arguments + (["--role-arn", role] if role else []),
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"exec": sign_in}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        },
        sort_keys=True,
    )
