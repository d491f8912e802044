"""The EKS cluster of a stack, in Auto Mode, or the one that exists: and the one provider of what is made in it.

AWS runs Auto Mode's parts on its side or as the nodes' services: the autoscaler (Karpenter), network, DNS, disks and
the agent of Pod Identity; no add-on of ours is left to pin but metrics-server.

Follows docs.aws.amazon.com, EKS user guide: "Create an EKS Auto Mode cluster with the AWS CLI", "Amazon EKS Auto Mode
cluster IAM role", "Custom AWS tags for EKS Auto resources", "Cluster API server endpoint", "Send control plane logs to
CloudWatch Logs", "Encrypt Kubernetes secrets with KMS"; and of the provider's resources aws_eks_cluster, aws_eks_addon.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import eks
from pulumi_kubernetes import Provider

from components.aws import access, preflight
from components.aws.keys import Role, Shop, Statement, document
from components.aws.network import protected
from components.aws.place import Eks, Vpc, login, narrowed, owner_id
from components.aws.pools import kubeconfig, pools
from components.aws.settings import AwsSettings
from components.compute import Taint
from components.contract import Network, SystemMachines
from components.inside import MANNER
from components.labels import environment_labels, ownership_labels
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.tiers import Tier

_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_POLICIES = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
_METRICS = "v0.8.0-eksbuild.6"
"""Version of the add-on metrics-server; `aws eks describe-addon-versions --addon-name metrics-server` lists them."""
_API = 443
_SYSTEM = "system"  # Auto Mode's own pool, for what runs the cluster
_MACHINES = SystemMachines({"karpenter.sh/nodepool": _SYSTEM}, [Taint(key="CriticalAddonsOnly")])


def cluster(
    name: str, settings: AnySettings, block: AwsSettings, network: Network, opts: pulumi.ResourceOptions
) -> Eks:
    """Make the cluster, or find the one to use.

    Args:
        name: Prefix of the logical names.
        settings: The declaration.
        block: Its `cloud.aws`.
        network: What this cloud made or found before.
        opts: Parent.
    """
    vpc = narrowed(network, Vpc)
    if isinstance(settings, LakeSettings) or vpc.existing:
        return _found(name, block, vpc, opts)
    return _made(name, settings, block, vpc, opts)


def _found(name: str, block: AwsSettings, vpc: Vpc, opts: pulumi.ResourceOptions) -> Eks:
    known = vpc.existing
    if known is None:
        raise TypeError("a lake is a slice of a platform, and its cluster was not looked up")
    [authority, *_] = known.certificate_authorities
    config = kubeconfig(known.name, block.region, block.role, known.endpoint, authority.data)
    return Eks(
        name=known.name,
        provider=_provider(name, pulumi.Output.from_input(config), opts),
        platform=block.platform,
        access=login(known.name, block.region),
        cluster_name=pulumi.Output.from_input(known.name),
        arn=pulumi.Output.from_input(known.arn),
        security_group=pulumi.Output.from_input(known.vpc_config.cluster_security_group_id),
        owned=False,
    )


def _made(
    name: str,
    settings: EnvironmentSettings | PlatformSettings,
    block: AwsSettings,
    vpc: Vpc,
    opts: pulumi.ResourceOptions,
) -> Eks:
    owner, account = owner_id(settings), vpc.account
    shop = Shop(name, owner, account, protected=protected(settings))
    nodes = shop.role(
        "nodes", "ec2", managed=("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
    )
    made = _cluster(shop, settings, block, vpc, nodes=nodes)
    group = made.vpc_config.apply(lambda found: str(found.cluster_security_group_id))
    entries = _people(shop, settings, block, made)
    if block.deploy_from:
        from components.aws import doors  # noqa: PLC0415 - who opens none pays for none

        entries += doors.opened(f"{name}-api", group, _API, block.deploy_from, account.opts)
    every = pulumi.Output.all(
        name=made.name,
        endpoint=made.endpoint,
        authority=made.certificate_authority,
        # Nothing can be made in the cluster until the deployer may, and gets through.
        entries=[one.urn for one in entries],
    )
    config = every.apply(
        lambda v: kubeconfig(v["name"], block.region, block.role, v["endpoint"], v["authority"]["data"])
    )
    provider = _provider(name, config, opts)
    pools(
        name,
        preflight.pools(settings, block),
        block,
        vpc,
        node_role=nodes.name,
        security_group=group,
        labels=_labels(settings),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(provider=provider)),
    )
    return Eks(
        name=owner,
        provider=provider,
        platform=None,
        access=login(owner, block.region),
        cluster_name=every.apply(lambda v: str(v["name"])),
        arn=made.arn,
        security_group=group,
        owned=True,
        system=_MACHINES,
    )


def _cluster(
    shop: Shop,
    settings: EnvironmentSettings | PlatformSettings,
    block: AwsSettings,
    vpc: Vpc,
    *,
    nodes: Role,
) -> eks.Cluster:
    account, owner, key = vpc.account, shop.owner, vpc.logs_key
    if key is None:
        raise TypeError("the network of a cluster that is made comes with a key")
    allowed = key.apply(lambda arn: document([*_tagging(account.partition), _secrets(arn)]))
    # Auto Mode makes instance profiles and passes the nodes' role to them: rights in IAM, which the boundary has not.
    role = shop.role("cluster", "eks", managed=_POLICIES, allowed=allowed, tagged=True, bounded=False)
    # Made before the cluster: else EKS makes a group of that name, without a key and kept for ever.
    logs = shop.logs("cluster", f"/aws/eks/{owner}/cluster", block.log_days, key)
    private = settings.strictest is Tier.PRODUCTION
    made = eks.Cluster(
        f"{shop.name}-eks",
        name=owner,
        version=block.kubernetes_version,
        role_arn=role.arn,
        # These four are Auto Mode, and EKS takes them together only.
        compute_config=eks.ClusterComputeConfigArgs(enabled=True, node_pools=[_SYSTEM], node_role_arn=nodes.arn),
        storage_config=eks.ClusterStorageConfigArgs(
            block_storage=eks.ClusterStorageConfigBlockStorageArgs(enabled=True)
        ),
        kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(
            elastic_load_balancing=eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=True),
            ip_family="ipv4",
            service_ipv4_cidr=vpc.services_cidr,
        ),
        bootstrap_self_managed_addons=False,
        access_config=eks.ClusterAccessConfigArgs(
            authentication_mode="API",
            # Who administers it is declared, and does not depend on who made it.
            bootstrap_cluster_creator_admin_permissions=False,
        ),
        vpc_config=eks.ClusterVpcConfigArgs(
            subnet_ids=list(vpc.node_subnets),
            endpoint_private_access=True,
            endpoint_public_access=not private,
            public_access_cidrs=None if private else list(block.api.cidrs),
        ),
        encryption_config=eks.ClusterEncryptionConfigArgs(
            provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key), resources=["secrets"]
        ),
        enabled_cluster_log_types=list(_LOGS),
        # Support that costs six times as much does not begin by itself: EKS upgrades instead.
        upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
        deletion_protection=private,
        opts=pulumi.ResourceOptions.merge(
            account.opts,
            pulumi.ResourceOptions(protect=shop.protected, depends_on=[logs, *role.rights, *nodes.rights]),
        ),
    )
    _metrics(shop, made)
    return made


def _metrics(shop: Shop, made: eks.Cluster) -> None:
    """Make what `kubectl top` and autoscaling by load ask; on the nodes that run the cluster."""
    where = {
        "nodeSelector": dict(_MACHINES.labels),
        "tolerations": [{"key": taint.key, "operator": "Exists"} for taint in _MACHINES.taints],
    }
    eks.Addon(
        f"{shop.name}-metrics-server",
        cluster_name=made.name,
        addon_name="metrics-server",
        addon_version=_METRICS,
        configuration_values=json.dumps(where, sort_keys=True),
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        opts=shop.account.opts,
    )


def _people(
    shop: Shop, settings: EnvironmentSettings | PlatformSettings, block: AwsSettings, made: eks.Cluster
) -> list[pulumi.Resource]:
    """Let the deployer and people in; return what the deployer's rights wait for."""
    account, groups = shop.account, access.by_principal(block.principals)
    deployer, entries = account.deployer, []
    # When CI deploys, the entry of its role is the one that `governance` made when a person did.
    if not (settings.ci and deployer == access.deploy_role(account, shop.owner)):
        own = groups.pop(deployer, [])
        entries.append(
            access.entry(
                shop.name, made.name, deployer, own, account.opts, administers=True, partition=account.partition
            )
        )
    for principal, named in groups.items():
        access.entry(shop.name, made.name, principal, named, account.opts)
    return entries


def _provider(name: str, config: pulumi.Input[str], opts: pulumi.ResourceOptions) -> Provider:
    return Provider(
        f"{name}-cluster",
        kubeconfig=config,
        **MANNER,
        opts=opts,
    )


def _labels(settings: EnvironmentSettings | PlatformSettings) -> dict[str, str]:
    if isinstance(settings, EnvironmentSettings):
        return environment_labels(settings)
    return ownership_labels(owner_kind="platform", owner=settings.name, cost_centre=settings.cost_centre)


def _tagging(partition: str) -> Sequence[Statement]:
    """Return what lets Auto Mode put our cost tags on what it makes; its own policies allow its own tags only."""
    own: dict[str, Any] = {
        "StringEquals": {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}
    }
    pool = {
        "aws:RequestTag/eks:kubernetes-node-class-name": "*",
        "aws:RequestTag/eks:kubernetes-node-pool-name": "*",
    }
    disks = [f"arn:{partition}:ec2:*:*:{kind}/*" for kind in ("volume", "snapshot")]
    balancing = [f"elasticloadbalancing:Create{what}" for what in ("LoadBalancer", "TargetGroup", "Listener", "Rule")]
    return [
        _may(
            "Compute", ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate"], own | {"StringLike": pool}
        ),
        _may("Storage", ["ec2:CreateVolume", "ec2:CreateSnapshot"], own, disks),
        _may(
            "Networking",
            ["ec2:CreateNetworkInterface"],
            own | {"StringLike": {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"}},
        ),
        _may("LoadBalancing", [*balancing, "ec2:CreateSecurityGroup"], own),
    ]


def _secrets(key: str) -> Statement:
    """Return what lets the control plane use the key that secrets are encrypted by."""
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"]
    return {"Sid": "Secrets", "Effect": "Allow", "Action": actions, "Resource": key}


def _may(sid: str, actions: list[str], condition: Mapping[str, Any], resources: list[str] | str = "*") -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources, "Condition": condition}
