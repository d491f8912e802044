"""What stands under `cloud.gcp`: the project, who reaches the cluster, what Google Cloud alone can be told.

Follows cloud.google.com: "Creating and managing projects", GKE ("VPC-native clusters", "Release channels", "Configure
Google Groups for RBAC"), Cloud SQL ("About instance settings"), VPC ("Configure Private Google Access").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StringConstraints, WithJsonSchema

from components.settings.fields import Cidr, Key, Line, NamespaceName, Settings, one_line
from components.tiers import Tier

Nat = Literal["none", "automatic", "fixed"]
Channel = Literal["REGULAR", "STABLE", "EXTENDED"]
GOOGLE = "googleapis.com"
"""The universe that is Google's own; a partner's cloud has another domain (CFF calls it the universe)."""


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = Annotated[
    str,
    BeforeValidator(_digits),
    StringConstraints(pattern=r"^[0-9]{6,20}$"),
    AfterValidator(one_line),
    WithJsonSchema({"type": ["string", "number"], "pattern": "^[0-9]{6,20}$", "examples": ["123456789012"]}),
]
# A partner's cloud puts its prefix and a colon in front.
ProjectId = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$"), AfterValidator(one_line)
]
BillingAccount = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$"), AfterValidator(one_line)
]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z0-9]+)+$", max_length=40), AfterValidator(one_line)]
Domain = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=100), AfterValidator(one_line)
]
Mail = Annotated[
    str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=200), AfterValidator(one_line)
]
# A name, or a path that ends in it, as projects/HOST/global/networks/NAME of a shared VPC.
Resource = Annotated[
    str,
    StringConstraints(pattern=r"^(projects/[^/\s]+/(global|regions/[^/\s]+)/[a-z]+/)?[a-z][-a-z0-9]*$"),
    AfterValidator(one_line),
]
# Cloud SQL: "About instance settings", storage capacity 10 GB to 64 TB.
Gigabytes = Annotated[int, Field(ge=10, le=65_536)]


class CreateSettings(Settings):
    """Where the project is made, if it is made here. Its id can never be used again, by anybody."""

    organization: Number | None = None
    """Number of the organisation; or name a folder."""
    folder: Number | None = None
    """Number of the folder; or name the organisation."""
    billing_account: BillingAccount
    """The billing account that pays for the project."""
    seed: ProjectId
    """An existing project in which whoever deploys asks for regions and machine types while this one is not there."""


class ApiSettings(Settings):
    """Who reaches the Kubernetes API's public address; whoever does still has to sign in."""

    # GKE takes 100 ranges at most: "Add authorized networks for control plane access", limitations.
    cidrs: Annotated[tuple[Cidr, ...], Field(max_length=100)] = ()
    """Public ranges of offices, VPNs and CI. Needed outside production; refused in production, whose API is private."""


class AdoptSettings(Settings):
    """What exists already and is used in place of a new one."""

    network: Resource | None = None
    """The VPC network; then name its subnetwork and the ranges, too."""
    subnetwork: Resource | None = None
    """The subnetwork for nodes, in the region."""
    pods_range: Line | None = None
    """The subnetwork's secondary range for pods."""
    services_range: Line | None = None
    """The subnetwork's secondary range for services."""
    database_range: Line | None = None
    """The network's range for private services access, in which Cloud SQL gets its address."""
    cluster: Line | None = None
    """Name of the GKE cluster. A slice uses its platform's, which has the platform's name."""
    buckets: dict[Key, Line] = Field(default_factory=dict)
    """Cloud Storage buckets by kind of objects (results, datasets, models, scratch)."""


class DatabaseSettings(Settings):
    """The Cloud SQL instance of PostgreSQL."""

    tier: Annotated[str, StringConstraints(pattern=r"^db-[a-z0-9-]+$"), AfterValidator(one_line)] = "db-custom-2-7680"
    """The machine: db-custom-CPUS-MEGABYTES, or a named one."""
    storage_gb: Gigabytes = 50
    """Storage to begin with, in GB."""
    max_storage_gb: Gigabytes | None = None
    """What the storage may grow to by itself, in GB; by default it does not grow."""
    version: Annotated[str, StringConstraints(pattern=r"^POSTGRES_[0-9]{2}$"), AfterValidator(one_line)] = "POSTGRES_17"
    """PostgreSQL's major version; minor ones are Google's to bring in."""


class GcpSettings(Settings):
    """A project of Google Cloud, and what is made or adopted there."""

    project: ProjectId
    """The project's id. It is adopted, unless `create` says where it is made."""
    region: Region
    """The region, such as europe-west3."""
    create: CreateSettings | None = None
    """Makes the project, rather than adopting it."""
    impersonate: Mail | None = None
    """The service account to act as; by default the credentials are used as they are."""
    universe_domain: Domain = GOOGLE
    """The domain of the cloud's APIs, where a partner runs it."""
    private_access: Cidr = "199.36.153.8/30"
    """Addresses by which machines without a public one reach these APIs (private.googleapis.com)."""
    platform: NamespaceName | None = None
    """Name of the platform whose slice this is. Without it the environment has a cluster to itself."""
    kueue: StrictBool | None = None
    """Whether jobs wait in queues, by Kueue, which comes with a cluster that is made here; not on an adopted one."""
    adopt: AdoptSettings = AdoptSettings()
    """What exists already."""
    zones: Annotated[int, Field(ge=2, le=3)] = 3
    """Zones with nodes; the control plane is in all of the region's."""
    api: ApiSettings = ApiSettings()
    """Who reaches the Kubernetes API."""
    security_group: (
        Annotated[str, StringConstraints(pattern=r"^gke-security-groups@[^@\s]+$"), AfterValidator(one_line)] | None
    ) = None
    """The group that holds all groups of `people`, gke-security-groups@DOMAIN; else GKE knows none of Google's."""
    release_channel: Channel | None = None
    """Which versions GKE brings in; by default REGULAR, in production STABLE."""
    # GKE: "Configure maximum Pods per node", 8 to 256 on a Standard cluster with Dataplane V2.
    pods_per_node: Annotated[int, Field(ge=8, le=256)] = 64
    """Pods that one machine holds at most; it gets twice as many addresses."""
    nat: Nat | None = None
    """Addresses of the way out to the internet: none, automatic, or fixed ones, which production has by default."""
    machines: dict[Key, dict[str, Any]] = Field(default_factory=dict)
    """By pool: what is put over its machines' `node_config`, named as in Pulumi's SDK for Python."""
    images: tuple[Line, ...] = ()
    """Images that production runs beside the project's own: patterns of Binary Authorization (REGISTRY/PATH/**)."""
    database: DatabaseSettings = DatabaseSettings()
    """The Cloud SQL instance of PostgreSQL."""
    billing_account: BillingAccount | None = None
    """The billing account of the budget; by default the one under `create`."""


@dataclass(frozen=True)
class Defaults:
    """What a tier sets on Google Cloud unless the stack file says otherwise; the fields are keys of `cloud.gcp`."""

    nat: Nat
    release_channel: Channel


_DEFAULTS: Mapping[Tier, Defaults] = {
    Tier.EXPERIMENTATION: Defaults("automatic", "REGULAR"),
    Tier.TESTING: Defaults("automatic", "REGULAR"),
    # Fixed addresses: those who let production in list them.
    Tier.PRODUCTION: Defaults("fixed", "STABLE"),
}


def resolved(settings: GcpSettings, tier: Tier) -> Defaults:
    """Return what holds where the tier sets a default.

    Args:
        settings: The block.
        tier: The tier; of a platform, its strictest.
    """
    usual = _DEFAULTS[tier]
    return Defaults(settings.nat or usual.nat, settings.release_channel or usual.release_channel)
