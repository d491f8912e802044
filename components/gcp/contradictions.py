"""What a declaration asks of Google Cloud that it would refuse, or that this cloud can't do. Pure, without a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components import addressing, naming
from components.addressing import Network
from components.compute import KUEUE_REGISTRY
from components.gcp import machines, names, preflight, ranges, workers
from components.gcp.names import is_google
from components.gcp.settings import GOOGLE, DatabaseSettings, GcpSettings
from components.settings import slices
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.settings.pools import PoolSettings
from components.stores import layout
from components.tiers import Tier

_KEY = "cloud.gcp"
_WIDEST = 16  # prefix length: a larger part of the internet is nobody's office
_ZONES = 3
# Of Billing's budgets: Billing Budgets API, monitoringNotificationChannels.
_CHANNELS = 5
# Cloud SQL keeps its log every five minutes: "Point-in-time recovery".
_RPO_MINUTES = 5
_UID = "00000000"
_OF_CLUSTER = ("api", "release_channel", "nat", "zones", "machines", "pods_per_node", "security_group", "images")
_OF_NETWORK = ("network", "subnetwork", "pods_range", "services_range")
# By universe: documentation.s3ns.fr, "Cloud SQL in Cloud de Confiance versus Google Cloud", "VPC in ..." (August 2026).
_LACKING = {
    "s3nsapis.fr": "Cloud de Confiance has no private services access, and Cloud SQL on C3 machines alone: an "
    "environment's database can't be made there; use a `kubernetes` cluster of yours and servers of your own"
}

Found = Iterator[tuple[str, str]]


def contradictions(settings: AnySettings, block: GcpSettings) -> Found:
    """Yield (key, message) for what Google Cloud would refuse.

    Args:
        settings: The declaration.
        block: Its `cloud.gcp`.
    """
    if block.universe_domain in _LACKING:
        yield f"{_KEY}.universe_domain", _LACKING[block.universe_domain]
    yield from _project(settings, block)
    yield from _data(settings, block)
    if isinstance(settings, LakeSettings):
        if not block.platform:
            yield f"{_KEY}.platform", "is missing: a lake is a slice of a platform, as environments come and go"
        yield from _not_made(block, "a lake lives on its platform's cluster")
        return
    yield from _queues(block)
    if isinstance(settings, PlatformSettings) and block.platform:
        yield f"{_KEY}.platform", "a platform is not a slice of another platform; remove this key"
    yield from _money(settings, block)
    yield from _ci(settings)
    if not preflight.makes_cluster(settings, block):
        yield from _slice(settings, block)
        return
    yield from _own_cluster(settings, block)
    yield from _own_network(settings, block)


def _project(settings: AnySettings, block: GcpSettings) -> Found:
    create = block.create
    if create is None:
        return
    if bool(create.organization) == bool(create.folder):
        yield f"{_KEY}.create", "name either the organisation or the folder in which the project is made"
    if create.seed == block.project:
        yield f"{_KEY}.create.seed", "is the project that is made here; name one that exists already"
    if not preflight.makes_network(settings, block):
        yield f"{_KEY}.create", "what is adopted, or a platform's, is in a project that exists; remove this key"


def _queues(block: GcpSettings) -> Found:
    if block.kueue and block.adopt.cluster:
        yield f"{_KEY}.kueue", "of an adopted cluster's machines nothing is known to queue for; remove this key"
    made = not (block.platform or block.adopt.cluster or block.kueue is False)
    if made and block.nat == "none":
        yield f"{_KEY}.kueue", f"without a way out its image can't be had from {KUEUE_REGISTRY}; set it to false"


def _slice(settings: EnvironmentSettings | PlatformSettings, block: GcpSettings) -> Found:
    why = "the cluster that is used has its own"
    yield from _not_made(block, why)
    yield from slices.contradictions(settings, why, shared=block.platform is not None)


def _not_made(block: GcpSettings, why: str) -> Found:
    """Refuse what says how a cluster and its network are made, where none is."""
    for key in _OF_CLUSTER:
        if key in block.model_fields_set:
            yield f"{_KEY}.{key}", f"{why}; remove this key"
    for key in _OF_NETWORK:
        if getattr(block.adopt, key):
            yield f"{_KEY}.adopt.{key}", f"{why}; remove this key"


def _money(settings: EnvironmentSettings | PlatformSettings, block: GcpSettings) -> Found:
    if settings.budget is None:
        return
    if not (block.billing_account or block.create):
        yield f"{_KEY}.billing_account", "is missing: a budget belongs to a billing account"
    if len(settings.budget.notify) > _CHANNELS:
        yield "budget.notify", f"Google Cloud tells {_CHANNELS} addresses at most; name a group's"


def _ci(settings: EnvironmentSettings | PlatformSettings) -> Found:
    if settings.ci:
        try:
            names.WORKLOAD_POOL.fit(names.owner_id(settings), "ci", _UID)
        except naming.NameRefused as error:
            yield "ci", str(error)


def _data(settings: AnySettings, block: GcpSettings) -> Found:
    kinds = _kinds(settings)
    for kind in block.adopt.buckets:
        if kind not in kinds:
            known = f"kinds here are {', '.join(kinds)}" if kinds else "a platform has no data; remove this key"
            yield f"{_KEY}.adopt.buckets.{kind}", f"is no kind of objects: {known}"
    if isinstance(settings, EnvironmentSettings):
        yield from _environment(settings, block)
    elif block.database != DatabaseSettings():
        yield f"{_KEY}.database", "only an environment has a database; remove this key"
    if not isinstance(settings, PlatformSettings):
        owner = names.owner_id(settings)
        yield from (("name", message) for message in _refused(owner, block, isinstance(settings, EnvironmentSettings)))


def _kinds(settings: AnySettings) -> tuple[str, ...]:
    if isinstance(settings, PlatformSettings):
        return ()
    return layout.KINDS if isinstance(settings, EnvironmentSettings) else (layout.DATASETS,)


def _refused(owner: str, block: GcpSettings, database: bool) -> Iterator[str]:
    refused = layout.refusals(owner, database=database)
    yield from refused
    if refused:
        return
    try:
        names.BUCKET.check(layout.s3_bucket(owner, layout.DATASETS, _UID))
        if database:
            names.database(block.project).fit(owner, _UID)
            names.COMPUTE.check(owner)
    except naming.NameRefused as error:
        yield str(error)


def _environment(settings: EnvironmentSettings, block: GcpSettings) -> Found:
    database = block.database
    if (database.max_storage_gb or database.storage_gb) < database.storage_gb:
        message = f"{database.max_storage_gb} is less than storage_gb, {database.storage_gb}"
        yield f"{_KEY}.database.max_storage_gb", message
    if settings.store.lake and not block.platform:
        yield "store.lake", "a lake is found through a platform; an environment that owns its cluster has none"
    if len({layout.schema(bucket) for bucket in settings.buckets}) < len(settings.buckets):
        yield "buckets", "two buckets would share a schema of the database"
    if settings.store.recovery.rpo_minutes < _RPO_MINUTES:
        yield "store.recovery.rpo_minutes", f"Cloud SQL promises {_RPO_MINUTES} minutes; promise as many, or more"
    yield from _people(settings, block)


def _people(settings: EnvironmentSettings, block: GcpSettings) -> Found:
    """Compare groups with the sign-in: Google's, which `security_group` opens, or another one that the cluster has."""
    people = settings.people
    groups = {f"people.{kind}": getattr(people, kind) for kind in type(people).model_fields}
    groups |= {f"buckets.{name}.groups": bucket.groups for name, bucket in settings.buckets.items()}
    users = {f"buckets.{name}.users": bucket.users for name, bucket in settings.buckets.items()}
    if block.security_group:
        for key, named in (groups | users).items():
            for each in named:
                if not is_google(each):
                    yield key, f"{each} is no mail address, and Google names groups and users by theirs"
    elif preflight.makes_cluster(settings, block) and any(
        is_google(each) for named in groups.values() for each in named
    ):
        yield (
            f"{_KEY}.security_group",
            "is missing: GKE knows Google's groups that are in one group, gke-security-groups@DOMAIN; name it",
        )


def _own_cluster(settings: EnvironmentSettings | PlatformSettings, block: GcpSettings) -> Found:
    try:
        names.CLUSTER.check(names.owner_id(settings))
    except naming.NameRefused as error:
        yield "name", str(error)
    yield from _api(block, production=settings.strictest is Tier.PRODUCTION)
    wanted = preflight.pools(settings, block)
    yield from _pools(wanted, block)
    for name in block.machines:
        if name not in wanted:
            yield f"{_KEY}.machines.{name}", f"there is no such pool; there are {', '.join(sorted(wanted))}"
    if not isinstance(settings, EnvironmentSettings):
        return
    if settings.quota.gpu and not _has_gpus(wanted, block):
        message = f"{settings.quota.gpu} GPUs, and no pool has any: declare one with machine: gpu, or set this to 0"
        yield "quota.gpu", message


def _api(block: GcpSettings, *, production: bool) -> Found:
    key, cidrs = f"{_KEY}.api.cidrs", block.api.cidrs
    if production:
        if cidrs:
            yield key, "production's API is private: it is reached from its network alone; remove this key"
        if block.zones < _ZONES:
            yield f"{_KEY}.zones", f"production takes {_ZONES}: with two, half of it is gone when one is down"
        if block.universe_domain != GOOGLE and not block.images:
            yield f"{_KEY}.images", "is missing: say which images production runs, as REGISTRY/PATH/**"
        return
    if block.images:
        yield f"{_KEY}.images", "only production refuses images; remove this key"
    if not cidrs:
        yield key, "is missing: say from which public ranges people and CI call the cluster, as [203.0.113.0/24]"
    networks = [addressing.parse(cidr) for cidr in cidrs]
    for network in networks:
        message = _not_public(network)
        if message:
            yield key, message
    if any(network.version == 4 and network.prefixlen < _WIDEST for network in addressing.merged(networks)):
        yield key, f"list ranges of at least /{_WIDEST}, neighbours taken together: a list of large parts is no list"


def _not_public(network: Network) -> str | None:
    if network.version != 4:
        return f"{network} is of IPv6, and the cluster's API is reached by IPv4"
    if any(addressing.overlaps(network, addressing.parse(private)) for private in addressing.PRIVATE_IPV4):
        return f"{network} is not of the internet; from inside its network the cluster is reached anyway"
    return None


def _pools(wanted: Mapping[str, PoolSettings], block: GcpSettings) -> Found:
    for name, pool in wanted.items():
        try:
            kind = preflight.machine_type(name, pool, block)
        except machines.NoMachine as error:
            yield f"pools.{name}", str(error)
        else:
            known = workers.known(kind) is not None
            yield from ((f"pools.{name}.{key}", message) for key, message in pool.described(known=known))
        if name == machines.SYSTEM:
            yield f"pools.{name}", "GKE's own things run in a pool of this name; give yours another"


def _has_gpus(wanted: Mapping[str, PoolSettings], block: GcpSettings) -> bool:
    # Of a machine that is named by size only Google Cloud knows; the preflight asks.
    named = any(pool.machine == "gpu" or pool.size for pool in wanted.values())
    return named or any("guest_accelerators" in block.machines.get(name, {}) for name in wanted)


def _own_network(settings: EnvironmentSettings | PlatformSettings, block: GcpSettings) -> Found:
    adopt, cidr = block.adopt, settings.network.cidr
    if adopt.network:
        if cidr:
            yield "network.cidr", "the adopted network has its own range; remove this key"
        for key in _OF_NETWORK:
            if not getattr(adopt, key):
                yield f"{_KEY}.adopt.{key}", "is missing: a network is adopted with its subnetwork and both ranges"
        if "nat" in block.model_fields_set:
            yield f"{_KEY}.nat", "the adopted network has its own; remove this key"
        return
    for key in (*_OF_NETWORK, "database_range"):
        if getattr(adopt, key):
            yield f"{_KEY}.adopt.{key}", f"is of a network that exists: name it under {_KEY}.adopt.network"
    if not cidr:
        yield "network.cidr", "is missing: the network's range, from the organisation's address plan, as 10.64.0.0/20"
        return
    message = ranges.problem(cidr, preflight.most_machines(settings, block), _pods(settings), block.pods_per_node)
    if message:
        yield "network.cidr", message


def _pods(settings: EnvironmentSettings | PlatformSettings) -> int:
    # Whoever shares a platform has a quota of their own.
    return settings.quota.pods if isinstance(settings, EnvironmentSettings) else 0
