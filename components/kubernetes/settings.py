"""What stands under `cloud.kubernetes`: an existing cluster, and the S3 and PostgreSQL servers to use with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, WithJsonSchema

from components.compute import GPU_RESOURCE, GpuResource
from components.settings.fields import (
    Cidr,
    Count,
    Key,
    LabelValue,
    Line,
    NamespaceName,
    Port,
    Quantity,
    Settings,
)
from components.settings.image import Repository
from components.settings.pools import TaintSettings

Feature = Literal["lifecycle", "encryption", "public_access_block"]
# Verified against the system's certificate authorities (verify-full), or those of `sslrootcert` in the service file.
SslMode = Literal["verify-full", "verify-ca", "require", "disable"]


def _url(value: str) -> str:
    if value.rstrip("/").count("/") != 2 or "@" in value:
        raise ValueError("must be scheme, host and port only, as https://s3.example.org:9000, without keys")
    return value.rstrip("/")


Url = Annotated[
    str,
    StringConstraints(pattern=r"https?://[^\s/?#]+/?", max_length=200),
    AfterValidator(_url),
    WithJsonSchema({"type": "string", "pattern": "^https?://[^\\s/?#]+/?$", "examples": ["https://s3.example.org"]}),
]


class AccountSettings(Settings):
    """An account that the store's administrator made."""

    principal: Line
    """The account, as bucket policies of the store name it: a user's ARN, or its access key id."""
    profile: Line
    """AWS profile that holds the account's keys."""


class TokenSettings(Settings):
    """How the store takes the tokens of the cluster's service accounts, in place of keys."""

    provider_arn: Line
    """ARN of the store's OpenID Connect provider for this cluster."""
    issuer: Line
    """The cluster's token issuer, without `https://`."""
    audience: Line = "sts.amazonaws.com"
    """What tokens are made for."""
    sts_endpoint: Url | None = None
    """Where tokens are exchanged; by default the profile's `sts`, else the S3 endpoint."""


class ObjectsSettings(Settings):
    """An S3 store, and how it is administered."""

    profile: Line
    """AWS profile (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE) with the keys of an administrator."""
    endpoint: Url | None = None
    """The S3 endpoint; by default the profile's `endpoint_url`."""
    iam_endpoint: Url | None = None
    """The IAM endpoint; by default the profile's `iam` service, else the S3 endpoint."""
    region: Line | None = None
    """The region; by default the profile's, else us-east-1, which stores without regions take."""
    without: dict[Feature, Line] = Field(default_factory=dict)
    """What the store's API lacks, each with what stands in for it; security reads it."""
    tokens: TokenSettings | None = None
    """How the store takes service accounts' tokens; then no key is made."""
    accounts: dict[Key, AccountSettings] = Field(default_factory=dict)
    """Accounts by identity (rw, ro, bucket-NAME), where the store has no IAM API to make them."""
    cidrs: tuple[Cidr, ...] = ()
    """Where pods find it, for the network policy; an endpoint that is an address gives itself."""


class DatabaseSettings(Settings):
    """A PostgreSQL server, and how it is administered."""

    service: Line
    """libpq connection service (PGSERVICEFILE) with an administrator's login."""
    host: Line | None = None
    """The server's name; by default the service's."""
    port: Port | None = None
    """The server's port; by default the service's, else 5432."""
    sslmode: SslMode | None = None
    """How TLS is verified; by default the service's, else verify-full."""
    workloads: Line | None = None
    """Another service of that file, without login, where workloads find the server: behind a pooler, or by another
    address than its administrator's. By default they find it where the administrator does."""
    superuser: StrictBool = True
    """Whether the service's user is a superuser; managed servers give none."""
    point_in_time: tuple[Line, ...] = ()
    """Command that serves a copy of the server as it was (docs/store.md); without it, only backups are restored."""
    cidrs: tuple[Cidr, ...] = ()
    """Where pods find it, for the network policy; a host that is an address gives itself."""


class StoreConnections(Settings):
    """Where the data store is made."""

    objects: ObjectsSettings
    """The S3 store."""
    database: DatabaseSettings | None = None
    """The PostgreSQL server. A lake needs none."""

    def contradictions(self, identities: set[str]) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for what does not go together.

        Args:
            identities: The identities that the declaration needs.
        """
        objects = self.objects
        if objects.tokens and objects.accounts:
            yield "objects.accounts", "the store takes either tokens or accounts; remove one of them"
        if objects.accounts:
            missing, unknown = identities - set(objects.accounts), set(objects.accounts) - identities
            if missing:
                yield "objects.accounts", f"give an account for {', '.join(sorted(missing))}, too"
            if unknown:
                known = ", ".join(sorted(identities))
                yield "objects.accounts", f"no identity is called {', '.join(sorted(unknown))}; there are {known}"
            for field in ("principal", "profile"):
                if len({getattr(account, field) for account in objects.accounts.values()}) < len(objects.accounts):
                    yield "objects.accounts", f"two identities have one {field}, and would have each other's rights"


class ExistingPool(Settings):
    """Machines of one kind that the cluster has."""

    labels: Annotated[dict[Line, LabelValue], Field(min_length=1)]
    """Labels of these machines, and of no others."""
    taints: tuple[TaintSettings, ...] = ()
    """What a pod must tolerate to run there."""
    cpu: Quantity
    """Cores of one machine that pods may ask for (its `allocatable`, less what the cluster's own pods take)."""
    memory: Quantity
    """Memory of one machine that pods may ask for."""
    gpu: Count = 0
    """GPUs of one machine."""
    gpu_resource: GpuResource = GPU_RESOURCE
    """What pods ask for them by: what their vendor's device plugin calls them. Each kind is bounded by `quota.gpu`."""
    max: Annotated[int, Field(ge=1, le=100_000)]
    """Machines at most."""
    spot: StrictBool = False
    """Whether a machine may be taken away at short notice."""


class KubernetesSettings(Settings):
    """The cluster to use, and the data store beside it."""

    context: Line
    """The kubeconfig context. The current context of a kubeconfig is never used: it changes under one's hands."""
    kubeconfig: Line | None = None
    """The kubeconfig's path; by default the one that KUBECONFIG names."""
    platform: NamespaceName | None = None
    """Name of the platform whose slice this environment is. Without it the environment owns the whole cluster."""
    registry: Repository | None = None
    """Registry with its path where the environment's images are, as registry.example/team."""
    kueue: StrictBool = False
    """Whether Kueue runs there, by which jobs wait in queues. A slice says what its platform says."""
    pools: dict[Key, ExistingPool] = Field(default_factory=dict)
    """The machines that jobs may run on, by a name of yours. A slice uses its platform's."""
    store: StoreConnections | None = None
    """Where the data store is made; without it the environment has none."""
