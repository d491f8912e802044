"""Where an environment is on Google Cloud: the project, the network and the cluster, as the parts hand them on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import pulumi
from pulumi_gcp import kms, projects

from components.contract import Cluster, Network
from components.gcp.facts import FoundCluster, Offered
from components.gcp.names import owner_id
from components.settings.models import AnySettings, EnvironmentSettings, PlatformSettings

Part = TypeVar("Part")

_ROTATION = "7776000s"  # 90 days: cloud.google.com/kms/docs/key-rotation, and CIS Google Cloud 1.10
_USE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


@dataclass(frozen=True)
class Project:
    """The project, behind its one provider.

    Args:
        id: Its id.
        number: Its number.
        name: Prefix of the logical names.
        owner: What the names of things begin with.
        region: The region.
        universe: The domain of the cloud's APIs.
        suffix: Ends names that Google never gives again, as of key rings, so that the same can be made anew.
        opts: Parent and provider of everything in the project, and the services that it waits for.
        labels: What the provider puts on everything; for resources whose labels it does not reach.
        kept: Whether what holds data or access can't be deleted without lifting a protection.
    """

    id: str
    number: pulumi.Input[str]
    name: str
    owner: str
    region: str
    universe: str
    suffix: pulumi.Output[str]
    opts: pulumi.ResourceOptions
    labels: Mapping[str, str]
    kept: bool

    @property
    def scoped(self) -> str:
        """The id as it stands in names of identities: a partner's prefix comes behind."""
        prefix, colon, own = self.id.rpartition(":")
        return f"{own}.{prefix}" if colon else own

    @property
    def workload_pool(self) -> str:
        """The workload identity pool of every cluster in the project."""
        return f"{self.scoped}.svc.id.goog"

    def merged(self, own: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        """Return the options of a resource with some of its own."""
        return pulumi.ResourceOptions.merge(self.opts, own)

    def protected(self, *, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Return the options of what must not go by mistake: production's and testing's."""
        return self.merged(pulumi.ResourceOptions(protect=self.kept, depends_on=list(depends_on)))

    def agent(self, host: str) -> pulumi.Output[str]:
        """Return the IAM member of a service's own account, where no resource tells it.

        Args:
            host: As `compute-system`; cloud.google.com/iam/docs/service-agents lists them.
        """
        prefix = self.id.rpartition(":")[0]
        domain = f"{host}.{f'{prefix}-system.' if prefix else ''}iam.gserviceaccount.com"
        return pulumi.Output.concat("serviceAccount:service-", self.number, "@", domain)

    def identity(self, service: str) -> pulumi.Output[str]:
        """Return the IAM member of a service's own account, made now if need be.

        Args:
            service: As `sqladmin`.
        """
        made = projects.ServiceIdentity(
            f"{self.name}-agent-{service}",
            project=self.id,
            service=f"{service}.googleapis.com",
            opts=self.opts,
        )
        return made.member

    @cached_property
    def _ring(self) -> kms.KeyRing:
        return kms.KeyRing(
            f"{self.name}-keys",
            # A key ring can't be deleted: the next environment of this name needs another.
            name=self.suffix.apply(lambda suffix: f"{self.owner[:54].rstrip('-')}-{suffix}"),
            location=self.region,
            opts=self.opts,
        )

    def key(self, purpose: str, members: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
        """Make a key, and return its id once the members may use it.

        Args:
            purpose: What it encrypts: `cluster`, `store`, ...
            members: IAM members, by a name for each.
        """
        logical = f"{self.name}-key-{purpose}"
        made = kms.CryptoKey(
            logical,
            name=purpose,
            key_ring=self._ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=_ROTATION,
            # Whoever destroys the key destroys what it encrypts.
            opts=self.protected(),
        )
        users = [
            kms.CryptoKeyIAMMember(
                f"{logical}-{name}", crypto_key_id=made.id, role=_USE, member=member, opts=self.opts
            ).id
            for name, member in members.items()
        ]
        return pulumi.Output.all(made.id, *users).apply(lambda ids: str(ids[0]))


@dataclass(frozen=True)
class Vpc(Network):
    """A VPC network, made, adopted, or of the platform.

    Args:
        project: The project that it is used from.
        zones: Names of the zones with nodes.
        network: Its self link or path.
        subnetwork: The nodes' subnetwork; None where the cluster is not this stack's.
        pods_range: Name of the secondary range for pods.
        services_range: Name of the secondary range for services.
        control_plane: The control plane's own range; None leaves it to GKE.
        database_range: Name of the range in which Cloud SQL gets an address; None for what has no database.
        database_cidr: That range.
        peered: Done once Cloud SQL can be reached from the network.
        machines: By pool, the machine type with its GPUs, and the zones that have it.
        cluster: What was found of the cluster to use; None where the stack makes its own.
    """

    project: Project
    zones: Sequence[str]
    network: pulumi.Input[str]
    subnetwork: pulumi.Input[str] | None
    pods_range: str | None
    services_range: str | None
    control_plane: str | None
    database_range: pulumi.Input[str] | None
    database_cidr: str | None
    peered: Sequence[pulumi.Resource]
    machines: Mapping[str, Offered]
    cluster: FoundCluster | None


@dataclass(frozen=True)
class Gke(Cluster):
    """A GKE cluster, made, adopted, or of the platform.

    Args:
        nodes: Mail addresses of the service accounts of its nodes, which pull images.
        owned: Whether this stack makes it.
        made: The cluster, where this stack makes it.
    """

    nodes: Mapping[str, pulumi.Input[str]]
    owned: bool
    made: Sequence[pulumi.Resource] = ()


def narrowed(part: object, kind: type[Part]) -> Part:
    """Return a part of the contract as this cloud's own.

    Raises:
        TypeError: If another cloud made it.
    """
    if not isinstance(part, kind):
        raise TypeError(f"the gcp cloud needs its own {kind.__name__}, and was given a {type(part).__name__}")
    return part


_NOT_IN_LABELS = re.compile(r"[^a-z0-9_-]")  # cloud.google.com/resource-manager/docs/labels-overview


def labels(settings: AnySettings) -> dict[str, str]:
    """Return the cost labels of everything that a stack makes on Google Cloud; bills are grouped by their keys.

    Args:
        settings: The declaration.
    """
    if isinstance(settings, EnvironmentSettings):
        who = {"project": settings.project, "environment": settings.id, "tier": settings.tier.value}
    else:
        kind = "platform" if isinstance(settings, PlatformSettings) else "lake"
        who = {kind: settings.name, "environment": owner_id(settings), "tier": "_".join(sorted({*settings.tiers}))}
    whose = {"owner": settings.owner, "cost-centre": settings.cost_centre, "managed-by": "terrarium"}
    return {key: _NOT_IN_LABELS.sub("-", value.lower())[:63] for key, value in (who | whose).items()}
