"""What AWS would refuse after half of an environment is made, found before anything is. Pure: the answers come in.

Follows docs.aws.amazon.com: Service Quotas (codes of EC2's and VPC's quotas), EKS user guide ("Amazon EKS networking
requirements": subnets in two zones at least), RDS user guide ("Working with a DB instance in a VPC": the same).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.aws import machines
from components.aws.machines import Quota
from components.aws.settings import AwsSettings, resolved
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings
from components.settings.pools import PoolSettings, pools_of

if TYPE_CHECKING:
    from pulumi_aws.eks import GetClusterResult

VPCS = Quota("vpc", "L-F678F1CE", "VPCs per Region")
ADDRESSES = Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs")


@dataclass(frozen=True)
class Subnet:
    """A subnet that exists.

    Args:
        id: Its id.
        vpc: Id of its VPC.
        zone: Name of its availability zone.
        cidr: Its range.
    """

    id: str
    vpc: str
    zone: str
    cidr: str


@dataclass(frozen=True)
class Facts:
    """What AWS answered.

    Args:
        account: The account of the credentials.
        deployer: ARN of the IAM role or user that they are of.
        zones: Names of the region's availability zones that a cluster can use, sorted.
        offered: Zones in which each instance type that was asked about is offered.
        cores: Cores of each instance type that the stack file names and AWS knows.
        quotas: The quotas that were asked about, by code.
        vpcs: VPCs in the region that are not this stack's.
        addresses: Elastic addresses in the region that are not this stack's.
        multi_az: Whether the database's class can stand by in a second zone; None if it was not asked about.
        cluster: The cluster that is used and not made, as the provider describes it.
        vpc: Id of the VPC that is used and not made.
        vpc_cidr: Its range.
        node_subnets: Adopted ones.
        data_subnets: Adopted ones, or the platform's.
        refused: What could not be asked, or does not exist, each in a sentence.
    """

    account: str
    deployer: str
    zones: tuple[str, ...] = ()
    offered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cores: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, float] = field(default_factory=dict)
    vpcs: int = 0
    addresses: int = 0
    multi_az: bool | None = None
    cluster: GetClusterResult | None = None
    vpc: str | None = None
    vpc_cidr: str | None = None
    node_subnets: tuple[Subnet, ...] = ()
    data_subnets: tuple[Subnet, ...] = ()
    refused: tuple[str, ...] = ()


def pools(settings: AnySettings, block: AwsSettings) -> Mapping[str, PoolSettings]:
    """Return the pools that the stack makes; none where the cluster is not its own.

    Args:
        settings: The declaration.
        block: Its `cloud.aws`.
    """
    if isinstance(settings, LakeSettings) or block.platform or block.adopt.cluster:
        return {}
    return pools_of(settings)


def gateways(settings: AnySettings, block: AwsSettings) -> int:
    """Return how many NAT gateways, and addresses for them, the stack makes.

    Args:
        settings: The declaration.
        block: Its `cloud.aws`.
    """
    if isinstance(settings, LakeSettings) or not makes_vpc(block):
        return 0
    return {"none": 0, "one": 1, "per-zone": block.zones}[resolved(block, settings.strictest).nat]


def makes_vpc(block: AwsSettings) -> bool:
    """Tell whether a stack makes a VPC of its own.

    Args:
        block: Its `cloud.aws`.
    """
    return not (block.platform or block.adopt.cluster or block.adopt.vpc)


def problems(facts: Facts, settings: AnySettings, block: AwsSettings) -> list[str]:
    """Return everything that AWS would refuse, one problem each.

    Args:
        facts: What AWS answered.
        settings: The declaration.
        block: Its `cloud.aws`.
    """
    if facts.account != block.account:
        return [
            f"cloud.aws.account: the credentials are of account {facts.account}, and the stack's is {block.account}; "
            "sign in to that account, or correct the stack file"
        ]
    return [
        *facts.refused,
        *_network(facts, settings, block),
        *_pools(facts, settings, block),
        *_limits(facts, settings, block),
        *_database(facts, settings, block),
    ]


def _network(facts: Facts, settings: AnySettings, block: AwsSettings) -> Iterator[str]:
    if makes_vpc(block) and not isinstance(settings, LakeSettings) and len(facts.zones) < block.zones:
        has = ", ".join(facts.zones) or "none"
        yield f"cloud.aws.zones: {block.zones} zones are asked for, and EKS can use {has} in {block.region}"
    for key, subnets in (("node_subnets", facts.node_subnets), ("database_subnets", facts.data_subnets)):
        for subnet in subnets:
            if facts.vpc and subnet.vpc != facts.vpc:
                yield f"cloud.aws.adopt.{key}: {subnet.id} is in {subnet.vpc}, not in {facts.vpc}"
        zones = {subnet.zone for subnet in subnets}
        if subnets and len(zones) < 2:
            yield f"cloud.aws.adopt.{key}: all are in {min(zones)}; name subnets in two zones at least"


def _pools(facts: Facts, settings: AnySettings, block: AwsSettings) -> Iterator[str]:
    for name, pool in pools(settings, block).items():
        types = machines.machine(pool).types
        if not any(facts.offered.get(each) for each in types):
            what = "GPUs of this kind are not" if pool.machine == "gpu" else "such machines are not"
            yield f"pools.{name}: {what} offered in {block.region} (asked for {', '.join(types)})"
        elif pool.size and pool.size not in facts.cores:
            yield f"pools.{name}.size: AWS does not say how many cores {pool.size} has"


def _limits(facts: Facts, settings: AnySettings, block: AwsSettings) -> Iterator[str]:
    cores: dict[Quota, int] = defaultdict(int)
    for pool in pools(settings, block).values():
        found = machines.machine(pool)
        limit = machines.quota(found.types[0], spot=pool.spot)
        if limit:
            cores[limit] += pool.max * (found.cores or facts.cores.get(found.types[0], 0))
    for limit, wanted in cores.items():
        if wanted > facts.quotas.get(limit.code, wanted):
            yield _too_low("pools", f"all pools at their maximum have {wanted} cores", limit, facts, block)
    wanted = facts.vpcs + 1
    if makes_vpc(block) and wanted > facts.quotas.get(VPCS.code, wanted):
        yield _too_low("cloud.aws", f"with this one there are {wanted} VPCs", VPCS, facts, block)
    new = gateways(settings, block)
    wanted = facts.addresses + new
    if new and wanted > facts.quotas.get(ADDRESSES.code, wanted):
        yield _too_low("cloud.aws.nat", f"with its gateways' there are {wanted} addresses", ADDRESSES, facts, block)


def _too_low(key: str, need: str, limit: Quota, facts: Facts, block: AwsSettings) -> str:
    has = int(facts.quotas[limit.code])
    return (
        f"{key}: {need}, and the account's quota in {block.region} is {has} ({limit.name}, {limit.code}); "
        "ask for less, or AWS for more (Service Quotas)"
    )


def _database(facts: Facts, settings: AnySettings, block: AwsSettings) -> Iterator[str]:
    if not isinstance(settings, EnvironmentSettings):
        return
    if facts.multi_az is False and resolved(block, settings.tier).multi_az:
        kind = resolved(block, settings.tier).instance_class
        yield f"cloud.aws.database.instance_class: {kind} can't stand by in a second zone, which production needs"
    if not makes_vpc(block) and not facts.data_subnets and not facts.refused:
        yield f"cloud.aws.adopt.database_subnets: {facts.vpc} has no subnets of ours for databases; name some of them"
