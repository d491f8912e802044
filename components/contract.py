"""The contract between the core and a cloud: what a cloud is asked for, and the parts that it gives back.

The core and the workspace know only what stands here. A field that just one cloud could fill does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from components.compute import Compute, Kueue, Taint, Workers
from components.settings.fields import Settings
from components.settings.models import AnySettings, EnvironmentSettings, LakeSettings, PlatformSettings
from components.tiers import Tier

if TYPE_CHECKING:  # 0.7 s that `terrarium check` and `explain` need not spend
    import pulumi

CONTRACT_VERSION = 1
"""Version of the stack outputs and of the descriptors. A reader refuses a version that it does not know."""


@dataclass(frozen=True)
class Network:
    """An environment's network.

    A cloud whose other parts need more of it keeps that in a subclass; the core hands it back as it came.

    Args:
        cidr: Its own range; None where it lives in its cluster's.
        kind: What separates it from other networks, for people: `network policies`, `VPC`, ...
    """

    cidr: str | None
    kind: str


@dataclass(frozen=True)
class SystemMachines:
    """Machines that are there for what the cluster itself needs, whatever pools scale to.

    Args:
        labels: Select them.
        taints: What must be tolerated there.
    """

    labels: Mapping[str, str]
    taints: Sequence[Taint]


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster, or a slice of one. As with networks, a cloud may keep more in a subclass.

    Args:
        name: The cluster's name, for people.
        provider: The one provider through which everything in the cluster is made.
        platform: Name of the platform that the cluster belongs to; None if the environment owns its cluster.
        access: How a person reaches it, without credentials: for example the kubeconfig context.
        system: The machines for what the platform itself runs; None lets it run anywhere.
    """

    name: str
    provider: pulumi.ProviderResource
    platform: str | None
    access: Mapping[str, str]
    system: SystemMachines | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Ground:
    """What an environment's other parts stand on: what the same cloud returned before.

    Args:
        network: Of `CloudAdapter.network`.
        cluster: Of `CloudAdapter.cluster`.
    """

    network: Network
    cluster: Cluster


@dataclass(frozen=True)
class Registry:
    """Where an environment's container images are.

    Args:
        url: Registry host and path, to which `/<image>@<digest>` is added.
    """

    url: pulumi.Input[str]


@dataclass(frozen=True)
class PlatformFacts:
    """What an environment needs to know of the platform it runs on.

    Args:
        name: The platform's name.
        namespace: Where descriptors stand. An Output of the platform, so that what is made there waits for its consent.
        tiers: The tiers that it takes.
        priority_class: The PriorityClass of the environment's tier.
        compute: What runs jobs there. An Output as well, so that queues wait for it.
    """

    name: pulumi.Input[str]
    namespace: pulumi.Input[str]
    tiers: frozenset[Tier]
    priority_class: pulumi.Input[str]
    compute: pulumi.Output[Compute]


RW, RO = "rw", "ro"
"""Identities of a whole environment's store: one reads and writes, one reads."""


@dataclass(frozen=True)
class Identity:
    """Who may use a store, with one generation of keys.

    Args:
        name: `rw`, `ro`, or `bucket-<bucket>`.
        bucket: The bucket that it is limited to; None for the whole store.
        generation: Which generation its keys are of.
        files: What a pod mounts, by file name: standard files that every S3 and PostgreSQL client reads. Secret.
        service_account: Name of the service account whose tokens the store takes in place of keys, if it takes them.
        audience: What a pod has such a token made for; None where the cloud itself brings it into the pod.
    """

    name: str
    bucket: str | None
    generation: int
    files: Mapping[str, pulumi.Output[str]]
    service_account: str | None = None
    audience: str | None = None

    @property
    def secret(self) -> str:
        """Name of the Secret that holds the files; a new generation is a new Secret, so that both are there at once."""
        return f"store-{self.name}-{self.generation}"

    @property
    def published(self) -> dict[str, str]:
        """What descriptors say of it: all that a pod must have to use it."""
        said = {"secret": self.secret, "serviceAccount": self.service_account, "audience": self.audience}
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True)
class Destination:
    """Where pods must get through to.

    Args:
        cidr: The range.
        port: The TCP port.
    """

    cidr: str
    port: int


@dataclass(frozen=True)
class Store:
    """An environment's data store.

    Args:
        objects: Where the objects are: `protocol` (`s3` if it is missing, or `gs`), `endpoint`, `region` and `buckets`,
            by kind; some are Outputs. Nothing secret.
        database: Where the database is: `host`, `port`, `name`, `sslmode`; some are Outputs. Nothing
            secret. Empty for a lake.
        identities: Who may use it, with every generation of keys, the one given out last.
        destinations: Where pods find it; empty where no network policy could stand between.
    """

    objects: Mapping[str, Any]
    database: Mapping[str, Any]
    identities: Sequence[Identity]
    destinations: Sequence[Destination] = ()

    @property
    def published(self) -> dict[str, Any]:
        """What descriptors say of any store: where it is, and in which Secrets its keys are."""
        return {
            "objects": self.objects,
            "database": self.database or None,
            # Of several generations, the one given out is the last.
            "identities": {identity.name: identity.published for identity in self.identities},
        }


@dataclass(frozen=True)
class LakeFacts:
    """What an environment needs to know of the lake whose datasets it reads.

    Args:
        name: The lake's name.
        bucket: The bucket of its datasets.
        endpoint: The store that holds it.
    """

    name: str
    bucket: pulumi.Input[str]
    endpoint: pulumi.Input[str]


@dataclass(frozen=True)
class Administration:
    """How whoever runs a store reaches it: for backups and restores, never for workloads.

    Args:
        endpoint: The S3 endpoint; None where the objects can't be asked for in this way.
        iam_endpoint: The IAM endpoint; None where identities have no keys that could be lost.
        region: Its region.
        ca_bundle: File of the certificate authorities that vouch for it; None for the system's.
        access_key: Access key id.
        secret_key: Secret access key.
        session_token: What goes with keys that end by themselves; None with others.
        database: libpq keywords of a connection to the server, the password included.
        point_in_time: Command that serves a copy of the server as it was (docs/store.md); empty where there is none.
        versions_expire: Whether the store itself removes what has had its days, by lifecycle rules.
    """

    endpoint: str | None
    iam_endpoint: str | None
    region: str
    ca_bundle: str | None
    access_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    database: Mapping[str, str] = field(repr=False)
    session_token: str | None = field(repr=False, default=None)
    point_in_time: Sequence[str] = ()
    versions_expire: bool = True


class NotReached(Exception):  # noqa: N818 - it says what happened
    """What the stack file names can't be reached, or is not as it says.

    The message says why and what to do, all problems at once, one a line, without a secret.
    """


class CloudAdapter(Protocol):
    """One cloud, holding the validated settings of one stack."""

    @property
    def name(self) -> str:
        """The cloud's name, as in the `cloud` block."""

    @property
    def platform(self) -> str | None:
        """Name of the platform whose slice the stack is; None if it has its cluster to itself."""

    @property
    def cluster_id(self) -> str | None:
        """What tells an existing cluster from others, for people; None where the stack makes its own."""

    def access(self, settings: AnySettings) -> Mapping[str, str]:
        """Return how a person reaches the cluster, as `Cluster.access`: known before it is made, by its name."""

    @property
    def account(self) -> str | None:
        """The account or project it all is made in, for people; None where a cloud has none.

        Production shares it with no other tier.
        """

    @property
    def places(self) -> Mapping[str, str]:
        """What it all stands on, by kind: `account`, `cluster` and `store`, each telling one from others; `region`, and
        `operator` where it is not the cloud's name that says who runs it.

        Rules compare the first three between stacks. A kind that is missing is not known.
        """

    @property
    def kueue(self) -> Kueue:
        """Whether the cluster has Kueue; of a slice, whether its platform's has."""

    def workers(self, settings: AnySettings) -> Sequence[Workers]:
        """Return the pools of the stack's cluster as jobs see them; pure.

        None of a slice, which reads its platform's, and of a cluster whose machines nothing here knows.
        """

    def contradictions(self, settings: AnySettings) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for what this cloud can't do or would refuse; pure, no call to the cloud."""

    def network(self, name: str, settings: AnySettings, opts: pulumi.ResourceOptions) -> Network:
        """Make the network, or find the one of the cluster to use. Asked first, of every kind of stack.

        Here a cloud makes its provider, and asks the cloud what only it knows before anything is registered.

        Raises:
            NotReached: If the cloud would refuse what is declared; with every problem found.
        """

    def cluster(self, name: str, settings: AnySettings, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        """Make the cluster, or find the one to use.

        Raises:
            NotReached: As `network`.
        """

    def store(
        self,
        name: str,
        settings: EnvironmentSettings,
        uid: pulumi.Output[str],
        lake: LakeFacts | None,
        ground: Ground,
        *,
        opts: pulumi.ResourceOptions,
    ) -> Store | None:
        """Make the environment's store, named after its id and uid; None if its declaration names no place for one.

        Raises:
            NotReached: If what it is to be made in can't be reached, or not safely.
        """

    def lake(
        self, name: str, settings: LakeSettings, uid: pulumi.Output[str], ground: Ground, opts: pulumi.ResourceOptions
    ) -> Store:
        """Make a lake's store: one object kind, `datasets`, no database, and the identity `rw`.

        Raises:
            NotReached: As `store`.
        """

    def repository(self, settings: EnvironmentSettings) -> str | None:
        """Return where the environment's images are, as `Registry.url`, where the declaration alone says it; pure."""

    def registry(
        self, name: str, settings: EnvironmentSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Registry | None:
        """Make the registry of the environment's images; None if the cloud has none."""

    def governance(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, ground: Ground, opts: pulumi.ResourceOptions
    ) -> Mapping[str, Any]:
        """Make what watches and binds the account: the budget, and whom it lets deploy. Return it for people."""

    def administration(self, variables: Mapping[str, str], outputs: Mapping[str, Any]) -> Administration | None:
        """Return how the store is administered; None if the declaration names no place for one.

        Args:
            variables: Of the environment of the process; they name the files that hold connections.
            outputs: The stack's own, as its state has them; empty before it was brought up.

        Raises:
            NotReached: If a connection is not found.
        """


class Cloud(Protocol):
    """What a cloud's package registers under the entry point group `terrarium.clouds`."""

    @property
    def settings(self) -> type[Settings]:
        """The model of the cloud's own block."""

    def adapter(self, settings: Any) -> CloudAdapter:
        """Return the adapter that holds these settings."""
