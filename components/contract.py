"""The contract between the core and a cloud: what a cloud is asked for, and the parts that it gives back.

The core and the workspace know only what stands here. A field that just one cloud could fill does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from components.settings.models import EnvironmentSettings, PlatformSettings, Settings
from components.tiers import Tier

if TYPE_CHECKING:  # 0.7 s that `terrarium check` and `explain` need not spend
    import pulumi

CONTRACT_VERSION = 1
"""Version of the stack outputs and of the descriptors. A reader refuses a version that it does not know."""


@dataclass(frozen=True)
class Network:
    """An environment's network.

    Args:
        cidr: Its own range; None where it lives in its cluster's.
        kind: What separates it from other networks, for people: `namespace`, `vpc`, ...
    """

    cidr: str | None
    kind: str


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster, or a slice of one.

    Args:
        name: The cluster's name, for people.
        provider: The one provider through which everything in the cluster is made.
        platform: Name of the platform that the cluster belongs to; None if the environment owns its cluster.
        access: How a person reaches it, without credentials: for example the kubeconfig context.
    """

    name: str
    provider: pulumi.ProviderResource
    platform: str | None
    access: Mapping[str, str]


@dataclass(frozen=True)
class PlatformFacts:
    """What an environment needs to know of the platform it runs on.

    Args:
        name: The platform's name.
        namespace: Where descriptors stand. An Output of the platform, so that what is made there waits for its consent.
        tiers: The tiers that it takes.
        priority_class: The PriorityClass of the environment's tier.
    """

    name: pulumi.Input[str]
    namespace: pulumi.Input[str]
    tiers: frozenset[Tier]
    priority_class: pulumi.Input[str]


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

    def contradictions(self, settings: EnvironmentSettings | PlatformSettings) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for what this cloud can't do or would refuse; pure, no call to the cloud."""

    def network(self, name: str, settings: EnvironmentSettings, opts: pulumi.ResourceOptions) -> Network:
        """Make the environment's network."""

    def cluster(
        self, name: str, settings: EnvironmentSettings | PlatformSettings, opts: pulumi.ResourceOptions
    ) -> Cluster:
        """Make the cluster, or find the one to use."""


class Cloud(Protocol):
    """What a cloud's package registers under the entry point group `terrarium.clouds`."""

    @property
    def settings(self) -> type[Settings]:
        """The model of the cloud's own block."""

    def adapter(self, settings: Any) -> CloudAdapter:
        """Return the adapter that holds these settings."""
