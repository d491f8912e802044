"""What a declaration asks of AWS that it would refuse, or that this cloud can't do: found without a call. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import addressing, naming
from components.aws import data, machines, preflight, regions, subnets, workers
from components.aws.place import role_name, role_path
from components.aws.settings import AwsSettings, resolved
from components.compute import KUEUE_REGISTRY
from components.settings import slices
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.pools import PoolSettings
from components.tiers import Tier

_KEY = "cloud.aws"
_EKS = naming.NameRule(
    service="an EKS cluster",
    longest=100,
    pattern=r"[0-9A-Za-z][0-9A-Za-z_-]*",
    alphabet="letters, digits, `-` and `_`, starting with a letter or digit",
    source="Amazon EKS API reference, CreateCluster",
)
# EKS user guide, "Create access entries".
_NOT_GROUPS = ("eks:", "aws:", "amazon:", "iam:")
# EKS user guide, "Deploy private clusters with limited internet access": machines, images, and Pod Identity.
_WITHOUT_NAT = frozenset({"ec2", "ecr.api", "ecr.dkr", "eks-auth"})
_WIDEST = 16  # prefix length: a larger part of the internet is nobody's office
_BUILT_IN = ("system", "general-purpose")
"""Names of NodePools that EKS keeps for itself."""

Found = Iterator[tuple[str, str]]


def contradictions(settings: AnySettings, block: AwsSettings) -> Found:
    """Yield (key, message) for what AWS would refuse.

    Args:
        settings: The declaration.
        block: Its `cloud.aws`.
    """
    yield from _account(block)
    yield from _deploy_from(block)
    yield from data.contradictions(block, settings)
    if isinstance(settings, LakeSettings):
        if not block.platform:
            yield f"{_KEY}.platform", "is missing: a lake is a slice of a platform, as environments come and go"
        yield from _not_made(block, "a lake lives on its platform's cluster")
        return
    yield from _queues(block)
    if isinstance(settings, PlatformSettings) and block.platform:
        yield f"{_KEY}.platform", "a platform is not a slice of another platform; remove this key"
    if block.platform or block.adopt.cluster:
        yield from _slice(settings, block)
        return
    yield from _own_cluster(settings, block)
    yield from _own_network(settings, block)


def _account(block: AwsSettings) -> Found:
    try:
        partition = regions.region(block.region).partition
    except ValueError as error:
        yield f"{_KEY}.region", str(error)
    else:
        yield from _partitions(block, partition)
    if block.role and block.role.split(":")[4] != block.account:
        yield f"{_KEY}.role", f"is a role of account {block.role.split(':')[4]}, and the stack's is {block.account}"
    for group in block.principals:
        if group.startswith(_NOT_GROUPS):
            yield f"{_KEY}.principals", f"EKS takes no group that begins with {', '.join(_NOT_GROUPS)}: {group}"


def _deploy_from(block: AwsSettings) -> Found:
    for network in map(addressing.parse, block.deploy_from):
        private = map(addressing.parse, addressing.PRIVATE_IPV4)
        if not any(addressing.contains(outer, network) for outer in private):
            yield f"{_KEY}.deploy_from", f"{network} is no private range; from the internet nothing reaches a database"


def _partitions(block: AwsSettings, partition: str) -> Found:
    """Refuse ARNs of another of AWS' worlds, as of China: IAM knows nobody of it, and says so half-way."""
    named = {f"{_KEY}.role": block.role} | {
        f"{_KEY}.principals.{group}": arn for group, arn in block.principals.items()
    }
    for key, arn in named.items():
        if arn and not arn.startswith(f"arn:{partition}:"):
            yield key, f"{arn} is of another partition than {block.region}, where ARNs begin with arn:{partition}:"


def _queues(block: AwsSettings) -> Found:
    if block.kueue and block.adopt.cluster:
        yield f"{_KEY}.kueue", "of an adopted cluster's machines nothing is known to queue for; remove this key"
    made = not (block.platform or block.adopt.cluster or block.kueue is False)
    if made and block.nat == "none":
        yield f"{_KEY}.kueue", f"without a way out its image can't be had from {KUEUE_REGISTRY}; set it to false"


def _slice(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings) -> Found:
    why = "the cluster that is used has its own"
    yield from _not_made(block, why)
    yield from slices.contradictions(settings, why, shared=block.platform is not None)


def _not_made(block: AwsSettings, why: str) -> Found:
    """Refuse what says how a cluster and its network are made, where none is."""
    for key in ("api", "kubernetes_version", "nat", "endpoints", "zones", "machines", "flow_logs_days", "log_days"):
        if key in block.model_fields_set:
            yield f"{_KEY}.{key}", f"{why}; remove this key"
    for key in ("vpc", "node_subnets"):
        if getattr(block.adopt, key):
            yield f"{_KEY}.adopt.{key}", f"{why}; remove this key"


def _own_cluster(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings) -> Found:
    owner = settings.id if isinstance(settings, EnvironmentSettings) else settings.name
    try:
        _EKS.check(owner)
        # The longest of its roles' names.
        role_name(owner, "flow-logs")
    except naming.NameRefused as error:
        yield "name", str(error)
    else:
        yield from _deployer(settings, block, f":role{role_path(owner)}{role_name(owner, 'deploy')}")
    yield from _api(block, production=settings.strictest is Tier.PRODUCTION)
    wanted = preflight.pools(settings, block)
    yield from _pools(wanted)
    for name in block.machines:
        if name not in wanted:
            yield f"{_KEY}.machines.{name}", f"there is no such pool; there are {', '.join(sorted(wanted))}"
    if isinstance(settings, EnvironmentSettings) and settings.quota.gpu and not _has_gpus(wanted):
        yield (
            "quota.gpu",
            f"{settings.quota.gpu} GPUs, and no pool has any: declare one with machine: gpu, or set this to 0",
        )


def _deployer(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings, role: str) -> Found:
    """Refuse the role that CI takes among people: EKS takes one entry of each principal, and CI has its own."""
    for group, arn in block.principals.items():
        if settings.ci and arn.endswith(f":{block.account}{role}"):
            yield f"{_KEY}.principals.{group}", "is the role that CI takes, and administers the cluster; remove it"


def _api(block: AwsSettings, *, production: bool) -> Found:
    key, cidrs = f"{_KEY}.api.cidrs", block.api.cidrs
    if production:
        if cidrs:
            yield key, "production's API is private: it is reached from its network alone; remove this key"
        if block.zones < subnets.ZONES:
            yield f"{_KEY}.zones", f"production takes {subnets.ZONES}: with two, half of it is gone when one is down"
        return
    if not cidrs:
        yield key, "is missing: say from which public ranges people and CI call the cluster, as [203.0.113.0/24]"
    networks = [addressing.parse(cidr) for cidr in cidrs]
    for network in networks:
        if network.version != 4:
            yield key, f"{network} is of IPv6, and the cluster's API is reached by IPv4"
        elif any(addressing.overlaps(network, addressing.parse(private)) for private in addressing.PRIVATE_IPV4):
            yield key, f"{network} is not of the internet; from inside its network the cluster is reached anyway"
    if any(network.version == 4 and network.prefixlen < _WIDEST for network in addressing.merged(networks)):
        yield key, f"list ranges of at least /{_WIDEST}, neighbours taken together: a list of large parts is no list"


def _pools(wanted: Mapping[str, PoolSettings]) -> Found:
    for name, pool in wanted.items():
        try:
            machines.machine(pool)
        except ValueError as error:
            yield f"pools.{name}", str(error)
        else:
            known = bool(pool.size) and workers.known(pool.size or "")
            yield from ((f"pools.{name}.{key}", message) for key, message in pool.described(known=known))
        if name in _BUILT_IN:
            yield f"pools.{name}", f"EKS keeps {' and '.join(_BUILT_IN)} for itself; give the pool another name"
        if pool.min and f"{name}-base" in wanted:
            yield f"pools.{name}-base", f"is what the machines that pool {name} always has are called; rename it"


def _has_gpus(wanted: Mapping[str, PoolSettings]) -> bool:
    found = []
    for pool in wanted.values():
        try:
            found.append(machines.machine(pool).gpus != 0)
        except ValueError:  # said by _pools
            found.append(True)
    return any(found)


def _own_network(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings) -> Found:
    adopt, cidr = block.adopt, settings.network.cidr
    if adopt.vpc:
        if cidr:
            yield "network.cidr", "the adopted VPC has its own range; remove this key"
        needed = (
            ("node_subnets", "database_subnets") if isinstance(settings, EnvironmentSettings) else ("node_subnets",)
        )
        for key in needed:
            if len(getattr(adopt, key)) < 2:
                yield f"{_KEY}.adopt.{key}", "name subnets of the adopted VPC in two zones at least"
        for key in ("nat", "endpoints", "flow_logs_days"):
            if key in block.model_fields_set:
                yield f"{_KEY}.{key}", "the adopted VPC has its own; remove this key"
        return
    for key in ("node_subnets", "database_subnets"):
        if getattr(adopt, key):
            yield f"{_KEY}.adopt.{key}", f"are of a VPC that exists: name it under {_KEY}.adopt.vpc"
    yield from _ways_out(settings, block)
    if not cidr:
        yield "network.cidr", "is missing: the VPC's range, from the organisation's address plan, as 10.64.0.0/20"
        return
    yield from _range(settings, block, cidr)


def _ways_out(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings) -> Found:
    own = resolved(block, settings.strictest)
    missing = sorted(_WITHOUT_NAT - set(own.endpoints)) if own.nat == "none" else ()
    if missing:
        yield f"{_KEY}.endpoints", f"without NAT gateways machines and pods also need {', '.join(missing)}; add them"


def _range(settings: EnvironmentSettings | PlatformSettings, block: AwsSettings, cidr: str) -> Found:
    try:
        plan = subnets.plan(cidr, block.zones)
    except ValueError as error:
        yield "network.cidr", str(error)
        return
    nodes = sum(pool.max for pool in preflight.pools(settings, block).values())
    # Whoever shares a platform has a quota of their own; a full /28 for each machine is what its pods take at least.
    pods = settings.quota.pods if isinstance(settings, EnvironmentSettings) else 16 * nodes
    wanted = subnets.needed(nodes, pods)
    if wanted > plan.addresses:
        enough = subnets.smallest_prefix(wanted, block.zones)
        advice = f"take a /{enough}" if enough else "no VPC has as many: ask for fewer machines"
        yield (
            "network.cidr",
            f"{cidr} is too small: {nodes} machines and {pods} pods take {wanted} addresses, and the nodes' subnets in "
            f"{block.zones} zones have {plan.addresses}; {advice}",
        )
