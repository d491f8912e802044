"""What Google Cloud answers, in our words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Offered:
    """A machine type as the region has it.

    Args:
        machine_type: Its name.
        cpus: Its cores.
        accelerator: Type of its GPUs; None for none.
        gpus: How many.
        zones: Those of the cluster's zones that have it.
    """

    machine_type: str
    cpus: int
    accelerator: str | None
    gpus: int
    zones: tuple[str, ...]


@dataclass(frozen=True)
class FoundCluster:
    """A cluster that exists.

    Args:
        name: Its name.
        endpoint: The address of its API.
        authority: The certificate authority of its API, in base64.
        network: Its network.
        accounts: Mail addresses of its nodes' service accounts.
    """

    name: str
    endpoint: str
    authority: str
    network: str
    accounts: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """A machine type in one zone.

    Args:
        cpus: Its cores.
        accelerator: Type of the GPUs that come with it; None for none.
        gpus: How many.
    """

    cpus: int
    accelerator: str | None = None
    gpus: int = 0


@dataclass(frozen=True)
class FoundRange:
    """The range for private services access of a network that exists.

    Args:
        name: Its name.
        cidr: Its addresses.
    """

    name: str
    cidr: str


@dataclass(frozen=True)
class Facts:
    """What Google Cloud answered.

    Args:
        number: The project's number; None where the project is made here.
        regions: Names of the regions.
        zones: Names of the region's zones that are up, sorted.
        offers: By machine type that was asked about, by zone.
        quotas: The quotas that were asked about and told, by id.
        cluster: The cluster that is used and not made.
        network: The network that is used and not made.
        subnetwork: Its subnetwork for nodes.
        ranges: The subnetwork's secondary ranges, by name.
        database: The network's range for Cloud SQL.
        refused: What could not be asked, or does not exist, each in a sentence.
    """

    number: str | None
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    offers: Mapping[str, Mapping[str, Offer]] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    cluster: FoundCluster | None = None
    network: str | None = None
    subnetwork: str | None = None
    ranges: Mapping[str, str] = field(default_factory=dict)
    database: FoundRange | None = None
    refused: tuple[str, ...] = ()
