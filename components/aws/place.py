"""Where an environment is on AWS: the account, the VPC and the cluster, as the parts of this package hand them on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from components import naming
from components.contract import Cluster, Network
from components.labels import LABEL
from components.settings.models import AnySettings, EnvironmentSettings, PlatformSettings

if TYPE_CHECKING:
    import pulumi
    from pulumi_aws.eks import GetClusterResult

Part = TypeVar("Part")

SUBNETS = f"{LABEL}/subnets"
"""Tag that tells what a subnet is for: `nodes`, `data` or `public`. By it slices find their platform's."""


@dataclass(frozen=True)
class Account:
    """The account, behind its one provider.

    Args:
        id: Twelve digits.
        region: The region.
        partition: What ARNs begin with: `aws`, `aws-cn`, ...
        dns_suffix: What the services' names end with: `amazonaws.com`, ...
        deployer: ARN of the IAM role or user that deploys.
        opts: Parent and provider of everything in the account.
        tags: What the provider puts on everything; for resources whose tags it does not reach.
    """

    id: str
    region: str
    partition: str
    dns_suffix: str
    deployer: str
    opts: pulumi.ResourceOptions
    tags: Mapping[str, str]

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        """Return the ARN of a resource whose name is known.

        Args:
            service: As `iam`.
            resource: As `role/x`.
            region: Whether the service's ARNs name the region.
            account: Whether they name the account; managed policies name `aws`.
        """
        where = self.region if region else ""
        return f"arn:{self.partition}:{service}:{where}:{self.id if account else 'aws'}:{resource}"

    @property
    def boundary(self) -> str:
        """ARN of the policy past which no role of a stack can go: all that its CI may do but with IAM.

        AWS' own, which nobody in the account can change.
        """
        return self.arn("iam", "policy/PowerUserAccess", region=False, account=False)


@dataclass(frozen=True)
class Vpc(Network):
    """A VPC, made, adopted, or of the platform.

    Args:
        account: The account that it is in.
        zones: Names of the availability zones in use, in the order of the subnets.
        vpc_id: Its id.
        node_subnets: Ids of the private subnets of the nodes; empty where the cluster is not this stack's.
        data_subnets: Ids of the isolated subnets of databases.
        data_cidrs: Ranges of the data subnets.
        logs_key: ARN of the KMS key of logs and cluster secrets; None where this stack makes no cluster.
        data_key: ARN of the KMS key of data; None for a platform, which has none.
        services_cidr: Range of the cluster's services; empty where this stack makes no cluster.
        cores: Cores of the machines that the stack file names by size.
        existing: The cluster that is used and not made, as the provider describes it.
    """

    account: Account
    zones: Sequence[str]
    vpc_id: pulumi.Input[str]
    node_subnets: Sequence[pulumi.Input[str]]
    data_subnets: Sequence[pulumi.Input[str]]
    data_cidrs: Sequence[pulumi.Input[str]]
    logs_key: pulumi.Output[str] | None
    data_key: pulumi.Output[str] | None
    services_cidr: str = ""
    cores: Mapping[str, int] = field(default_factory=dict)
    existing: GetClusterResult | None = None


@dataclass(frozen=True)
class Eks(Cluster):
    """An EKS cluster, made, adopted, or of the platform.

    Args:
        cluster_name: Its name, known once it is there and whoever deploys may use it.
        arn: Its ARN.
        security_group: Id of the security group that EKS gives nodes and pods.
        owned: Whether this stack makes it.
    """

    cluster_name: pulumi.Output[str]
    arn: pulumi.Output[str]
    security_group: pulumi.Output[str]
    owned: bool


def narrowed(part: object, kind: type[Part]) -> Part:
    """Return a part of the contract as this cloud's own.

    Raises:
        TypeError: If another cloud made it.
    """
    if not isinstance(part, kind):
        raise TypeError(f"the aws cloud needs its own {kind.__name__}, and was given a {type(part).__name__}")
    return part


_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+@-]")  # AWS General Reference, "Tag naming limits and requirements"


def tags(settings: AnySettings) -> dict[str, str]:
    """Return the cost tags of everything that a stack makes on AWS; the keys are what bills are grouped by.

    Args:
        settings: The declaration.
    """
    if isinstance(settings, EnvironmentSettings):
        who = {"project": settings.project, "environment": settings.id, "tier": settings.tier.value}
    else:
        kind = "platform" if isinstance(settings, PlatformSettings) else "lake"
        who = {kind: settings.name, "environment": owner_id(settings), "tier": "+".join(sorted({*settings.tiers}))}
    whose = {"owner": settings.owner, "cost-centre": settings.cost_centre, "managed-by": "terrarium"}
    return {key: _NOT_IN_TAGS.sub("-", value)[:256] for key, value in (who | whose).items()}


def owner_id(settings: AnySettings) -> str:
    """Return what the names of a stack's things on AWS begin with."""
    if isinstance(settings, EnvironmentSettings):
        return settings.id
    # No environment's id is like these: it is `<project>-<name>`, and no project ends with `-`.
    return settings.name if isinstance(settings, PlatformSettings) else f"lake--{settings.name}"


def role_path(owner: str) -> str:
    """Return the path of a stack's roles."""
    return f"/terrarium/{owner}/"


def role_name(owner: str, purpose: str) -> str:
    """Return the name of a stack's role.

    Raises:
        NameRefused: If IAM would not take it.
    """
    return naming.IAM_USER.check(f"{owner}-{purpose}")


def login(cluster: str, region: str) -> dict[str, str]:
    """Return how a person reaches a cluster: `login` once, and then the context.

    Args:
        cluster: The cluster's name.
        region: Its region.
    """
    command = f"aws eks update-kubeconfig --name {cluster} --region {region} --alias {cluster}"
    return {"context": cluster, "login": command}
