"""What a stack file can say: frozen models without I/O, without Outputs and without secrets.

Unknown keys are refused. Another cloud's block is refused by `components.clouds`; what needs other files (the address
plan) is checked by `terrarium check`. Secrets are never part of it: a store's keys are made while the stack is brought
up and leave as secret Outputs; an administrator's stand in the files that AWS_CONFIG_FILE, PGSERVICEFILE and KUBECONFIG
name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from components import addressing, naming
from components.addressing import Network
from components.settings import pools as pool_settings
from components.settings import quantities
from components.settings.ci import CiSettings
from components.settings.fields import (
    BucketName,
    Cidr,
    Count,
    Day,
    Destination,
    Group,
    Key,
    Label,
    Line,
    NamespaceName,
    Percent,
    Port,
    Project,
    Quantity,
    Settings,
    ShortName,
)
from components.settings.image import ImageSettings
from components.settings.lifetime import SleepSettings
from components.settings.money import BudgetSettings
from components.settings.pools import PoolSettings
from components.settings.store import BucketSettings, LakeStoreSettings, StoreSettings
from components.tiers import TIERS, Egress, PodSecurity, Tier


class EgressAllowance(Settings):
    """One way out of the environment."""

    cidr: Destination
    """The destination: no loopback, link-local (machine credentials) or multicast address."""
    ports: Annotated[tuple[Port, ...], Field(min_length=1)]
    """Destination ports."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """TCP (default) or UDP."""
    why: Line
    """What it is for; security reads it."""

    @property
    def network(self) -> Network:
        """The destination, parsed."""
        return addressing.parse(self.cidr)


class IngressAllowance(Settings):
    """One way in, from a namespace that is no environment (an ingress controller's, a monitoring system's)."""

    namespace: NamespaceName
    """The namespace that may call. Pods of another environment stay shut out, whatever stands here."""
    ports: Annotated[tuple[Port, ...], Field(min_length=1)]
    """Ports of this environment that it may call."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """TCP (default) or UDP."""
    why: Line
    """What it is for; security reads it."""


class NetworkSettings(Settings):
    """The environment's network. All traffic is refused that nothing here allows."""

    cidr: Cidr | None = None
    """The environment's own range, from the organisation's address plan. Needed where the cloud makes a network."""
    egress: Egress
    """`open`: the internet, but no private range. `listed`: what egress_to names, nothing else."""
    egress_to: dict[Key, EgressAllowance] = Field(default_factory=dict)
    """Ways out, by a name of yours."""
    ingress_from: dict[Key, IngressAllowance] = Field(default_factory=dict)
    """Ways in, by a name of yours."""


class QuotaSettings(Settings):
    """The most that the environment may hold at one time."""

    cpu: Quantity
    """Cores requested by all pods together."""
    memory: Quantity
    """Memory requested by all pods together, and their limit."""
    gpu: Count
    """GPUs requested by all pods together."""
    pods: Count
    """Pods that have not ended."""
    storage: Quantity
    """Size of all volume claims together."""
    volumes: Count
    """Volume claims."""
    borrow_percent: Percent
    """How much more cores, memory and GPUs jobs may have while other experimentation environments of the platform leave
    them unused, in percent of these. It is given back when they want it."""


class ContainerResources(Settings):
    """Resources of one container."""

    cpu: Quantity
    """Cores."""
    memory: Quantity
    """Memory."""


class ContainerSettings(Settings):
    """What one container gets and may ask for."""

    default: ContainerResources
    """What a container gets that asks for nothing."""
    maximum: ContainerResources
    """The most that one container may ask for."""


class PeopleSettings(Settings):
    """Groups, as the cluster's sign-in names them. What each may do is the tier's to say (docs/tiers.md)."""

    members: tuple[Group, ...] = ()
    """The team: writes in experimentation, reads in testing, absent from production."""
    readers: tuple[Group, ...] = ()
    """See everything but secrets."""
    automation: tuple[Group, ...] = ()
    """CI: deploys."""
    promoters: tuple[Group, ...] = ()
    """May launch and schedule jobs in testing and production."""


class EnvironmentSettings(Settings):
    """One environment: cluster, data store and network for one phase of a project."""

    project: Project
    """The project. With `name` it is the environment's id, `<project>-<name>`. Fixed at creation."""
    name: ShortName
    """The environment's name within its project: lower-case letters and digits, no `-`. Fixed at creation."""
    tier: Tier
    """experimentation, testing or production: sets defaults and hard rules. Fixed at creation."""
    owner: Line
    """Who answers for it: a team or an address."""
    cost_centre: Label
    """Who pays; becomes a label of everything."""
    cloud: dict[str, dict[str, Any]]
    """One key, the cloud's name, and that cloud's own settings."""
    network: NetworkSettings
    """Ways in and out."""
    quota: QuotaSettings
    """The most that the environment may hold."""
    container: ContainerSettings
    """What one container gets and may ask for."""
    people: PeopleSettings = PeopleSettings()
    """Who may work here."""
    store: StoreSettings
    """The data store: how long it keeps what, and how it is recovered. Where it is, the cloud's block says."""
    buckets: dict[BucketName, BucketSettings] = Field(default_factory=dict)
    """Subsets of the environment's store, by name: of a person or a sub-project."""
    image: ImageSettings | None = None
    """What images are built on (`terrarium image build`); without it, none are built for this environment."""
    pod_security: PodSecurity
    """Pod Security Standard that pods must meet."""
    pools: dict[Key, PoolSettings] = Field(default_factory=dict)
    """Workers of a cluster that the cloud makes, by a name of yours; by default one pool of the tier's."""
    budget: BudgetSettings | None = None
    """What may be spent in a month, where the cloud makes the cluster."""
    ci: CiSettings | None = None
    """The CI whose tokens the cloud takes for deploying, where the cloud makes the cluster."""
    sovereignty: Key | None = None
    """Under which sovereignty its data is, as `eu`: no service outside that list may reach it. Security lists them."""
    expires: Day | None = None
    """The last day on which it exists: then `terrarium tidy` destroys it, at least a week after it was announced."""
    sleep: SleepSettings | None = None
    """When it is put to sleep; by default never by itself."""

    @property
    def id(self) -> str:
        """The environment's id, `<project>-<name>`."""
        return naming.environment_id(self.project, self.name)

    @property
    def strictest(self) -> Tier:
        """The tier whose rules hold: its own."""
        return self.tier

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together, and for broken rules of the tier."""
        limit = self.container.maximum
        for resource in ("cpu", "memory"):
            default, maximum, quota = (getattr(part, resource) for part in (self.container.default, limit, self.quota))
            if quantities.parse(default) > quantities.parse(maximum):
                yield f"container.default.{resource}", f"{default} is more than container.maximum.{resource}, {maximum}"
            if quantities.parse(maximum) > quantities.parse(quota):
                message = f"{quota} is less than container.maximum.{resource}, {maximum}; raise this or lower that"
                yield f"quota.{resource}", message
        yield from self.store.contradictions()
        yield from pool_settings.contradictions(self.pools)
        for rule in TIERS[self.tier].rules:
            if not rule.holds(self):
                yield rule.key, f"tier {self.tier.value} takes {rule.demand}: {rule.why}"


class PlatformNetworkSettings(Settings):
    """The network of a platform's cluster."""

    cidr: Cidr | None = None
    """The platform's own range, from the organisation's address plan. Needed where the cloud makes a network."""


class PlatformSettings(Settings):
    """What a cluster needs once, for the environments that share it."""

    name: ShortName
    """The platform's name: lower-case letters and digits. Fixed at creation."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    """Tiers of the environments that it takes. Production shares with no other."""
    owner: Line
    """Who answers for it: a team or an address."""
    cost_centre: Label
    """Who pays; becomes a label of everything."""
    cloud: dict[str, dict[str, Any]]
    """One key, the cloud's name, and that cloud's own settings."""
    network: PlatformNetworkSettings = PlatformNetworkSettings()
    """The network of its cluster."""
    pools: dict[Key, PoolSettings] = Field(default_factory=dict)
    """Workers of a cluster that the cloud makes, by a name of yours; by default one pool of the tier's."""
    budget: BudgetSettings | None = None
    """What may be spent in a month, where the cloud makes the cluster."""
    ci: CiSettings | None = None
    """The CI whose tokens the cloud takes for deploying, where the cloud makes the cluster."""
    sovereignty: Key | None = None
    """Under which sovereignty its data is, as `eu`: no service outside that list may reach it. Security lists them."""

    @property
    def strictest(self) -> Tier:
        """The tier whose rules hold for the cluster: of all that it takes, the one nearest to production."""
        return max(self.tiers, key=list(Tier).index)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together."""
        if Tier.PRODUCTION in self.tiers and len(set(self.tiers)) > 1:
            yield "tiers", "production shares a platform with no other tier: give it one of its own"
        yield from pool_settings.contradictions(self.pools)


class LakeSettings(Settings):
    """Datasets that environments share. They outlive every environment."""

    name: ShortName
    """The lake's name: lower-case letters and digits. Fixed at creation."""
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    """Tiers of the environments that may read it. Production shares with no other."""
    owner: Line
    """Who answers for it: a team or an address."""
    cost_centre: Label
    """Who pays; becomes a label of everything."""
    cloud: dict[str, dict[str, Any]]
    """One key, the cloud's name, and that cloud's own settings."""
    store: LakeStoreSettings = LakeStoreSettings()
    """How long it keeps what."""
    sovereignty: Key | None = None
    """Under which sovereignty its data is, as `eu`: no service outside that list may reach it. Security lists them."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together."""
        if Tier.PRODUCTION in self.tiers and len(set(self.tiers)) > 1:
            yield "tiers", "production shares a lake with no other tier: give it one of its own"


AnySettings = EnvironmentSettings | PlatformSettings | LakeSettings
"""What a stack of one of the three kinds declares."""
