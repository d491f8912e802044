"""The EKS cluster, written out: Auto Mode, a private API, secrets encrypted, who administers it, and its provider."""

import hashlib
import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks
from pulumi_kubernetes import Provider

from benchmarks.flat_aws.account import allow, attach, logs, role
from benchmarks.flat_aws.network import Network
from benchmarks.flat_aws.place import NAME, REGION, Place, document

POLICIES = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)


@dataclass(frozen=True)
class Cluster:
    """The cluster, its name once the deployer may use it, and its provider."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    group: pulumi.Output[str]
    node_role: pulumi.Output[str]
    provider: Provider


def cluster(place: Place, network: Network, key: pulumi.Output[str]) -> Cluster:
    """Make it."""
    nodes = role(place, "nodes", "ec2")
    rights = [
        attach(place, nodes, "nodes", policy)
        for policy in ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
    ]
    control = role(place, "cluster", "eks", tags=True, bounded=False)
    rights += [attach(place, control, "cluster", policy) for policy in POLICIES]
    rights.append(allow(place, control, "cluster", key.apply(control_policy)))
    rights.append(logs(place, "cluster", f"/aws/eks/{NAME}/cluster", 90, key))
    made = eks.Cluster(
        f"{NAME}-eks",
        name=NAME,
        version="1.34",
        role_arn=control.arn,
        compute_config=eks.ClusterComputeConfigArgs(enabled=True, node_pools=["system"], node_role_arn=nodes.arn),
        storage_config=eks.ClusterStorageConfigArgs(
            block_storage=eks.ClusterStorageConfigBlockStorageArgs(enabled=True)
        ),
        kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(
            elastic_load_balancing=eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=True),
            ip_family="ipv4",
            service_ipv4_cidr="172.20.0.0/16",
        ),
        bootstrap_self_managed_addons=False,
        access_config=eks.ClusterAccessConfigArgs(
            authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
        ),
        vpc_config=eks.ClusterVpcConfigArgs(
            subnet_ids=[subnet.id for subnet in network.nodes],
            endpoint_private_access=True,
            endpoint_public_access=False,
        ),
        encryption_config=eks.ClusterEncryptionConfigArgs(
            provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key), resources=["secrets"]
        ),
        enabled_cluster_log_types=["api", "audit", "authenticator", "controllerManager", "scheduler"],
        upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
        deletion_protection=True,
        opts=place.opts(protect=True, depends_on=rights),
    )
    metrics(place, made)
    deployer = administrator(place, made.name, place.deployer)
    ready = pulumi.Output.all(made.name, made.endpoint, made.certificate_authority, deployer.urn)
    provider = Provider(
        f"{NAME}-cluster",
        kubeconfig=ready.apply(lambda known: kubeconfig(known[1], known[2]["data"])),
        enable_server_side_apply=True,
        enable_patch_force=True,
        enable_config_map_mutable=True,
        delete_unreachable=False,
        opts=pulumi.ResourceOptions(parent=place.parent),
    )
    return Cluster(
        arn=made.arn,
        name=ready.apply(lambda known: str(known[0])),
        group=made.vpc_config.apply(lambda found: str(found.cluster_security_group_id)),
        node_role=nodes.name,
        provider=provider,
    )


def administrator(
    place: Place, cluster_name: pulumi.Output[str], principal: str, *after: pulumi.Resource
) -> pulumi.Resource:
    """Let a principal administer the cluster."""
    digest = hashlib.sha256(principal.encode()).hexdigest()[:8]
    logical = f"{NAME}-access-{principal.rpartition('/')[2]}-{digest}"
    entry = eks.AccessEntry(
        logical, cluster_name=cluster_name, principal_arn=principal, opts=place.opts(depends_on=[*after])
    )
    return eks.AccessPolicyAssociation(
        f"{logical}-administers",
        cluster_name=cluster_name,
        principal_arn=entry.principal_arn,
        policy_arn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
        opts=place.opts(depends_on=[*after]),
    )


def metrics(place: Place, made: eks.Cluster) -> None:
    """Make the add-on that `kubectl top` asks."""
    where = {
        "nodeSelector": {"karpenter.sh/nodepool": "system"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
    }
    eks.Addon(
        f"{NAME}-metrics-server",
        cluster_name=made.name,
        addon_name="metrics-server",
        addon_version="v0.8.0-eksbuild.6",
        configuration_values=json.dumps(where, sort_keys=True),
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        opts=place.opts(),
    )


def control_policy(key: str) -> str:
    """Return what the control plane may do beside AWS' own policies: tag what Auto Mode makes, and use the key."""
    own = {"StringEquals": {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}}
    pool = {"aws:RequestTag/eks:kubernetes-node-class-name": "*", "aws:RequestTag/eks:kubernetes-node-pool-name": "*"}
    node = {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"}
    balancing = [f"elasticloadbalancing:Create{what}" for what in ("LoadBalancer", "TargetGroup", "Listener", "Rule")]

    def may(sid: str, actions: list[str], condition: object, resources: object = "*") -> dict[str, object]:
        return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources, "Condition": condition}

    return document(
        may(
            "Compute",
            ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate"],
            {**own, "StringLike": pool},
        ),
        may(
            "Storage",
            ["ec2:CreateVolume", "ec2:CreateSnapshot"],
            own,
            ["arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:snapshot/*"],
        ),
        may("Networking", ["ec2:CreateNetworkInterface"], {**own, "StringLike": node}),
        may("LoadBalancing", [*balancing, "ec2:CreateSecurityGroup"], own),
        {
            "Sid": "Secrets",
            "Effect": "Allow",
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
            "Resource": key,
        },
    )


def kubeconfig(endpoint: str, authority: str) -> str:
    """Return a kubeconfig that signs in by AWS' own command."""
    command = ["eks", "get-token", "--cluster-name", NAME, "--region", REGION, "--output", "json"]
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": command,
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "users": [{"name": NAME, "user": {"exec": sign_in}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
    return json.dumps(config, sort_keys=True)
