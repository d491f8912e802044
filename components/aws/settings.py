"""What stands under `cloud.aws`: the account, how people and programs reach the cluster, what AWS alone can be told.

Follows docs.aws.amazon.com: EKS user guide ("Cluster API server endpoint", "Kubernetes version lifecycle"), VPC user
guide ("NAT gateways", "Gateway endpoints"), RDS user guide ("DB instance classes", "Using SSL/TLS").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, WithJsonSchema

from components.naming import NameRule
from components.settings.fields import Cidr, Group, Key, Line, NamespaceName, Settings
from components.tiers import Tier

Nat = Literal["none", "one", "per-zone"]

_ACCOUNT = NameRule(
    service="an AWS account",
    shortest=12,
    longest=12,
    pattern="[0-9]{12}",
    alphabet='twelve digits, in quotes if the first is 0: "012345678901"',
    source="AWS Account Management, AWS account identifiers",
)
_ARN = "arn:aws[a-z-]*:iam::[0-9]{12}:"
_ROLE = NameRule(
    service="an IAM role",
    longest=600,
    pattern=f"{_ARN}role/[A-Za-z0-9_+=,.@/-]+",
    alphabet="an ARN such as arn:aws:iam::123456789012:role/deploy",
    source="IAM user guide, IAM ARNs",
)
_PRINCIPAL = NameRule(
    service="a principal of IAM",
    longest=600,
    pattern=f"{_ARN}(role|user)/[A-Za-z0-9_+=,.@/-]+",
    alphabet="the ARN of a role or user, such as arn:aws:iam::123456789012:role/analysts",
    source="IAM user guide, IAM ARNs",
)
_SERIAL = "([0-9a-f]{8}|[0-9a-f]{17})"
_VPC = NameRule(
    service="a VPC",
    longest=21,
    pattern=f"vpc-{_SERIAL}",
    alphabet="an id such as vpc-0a1b2c3d4e5f60718",
    source="VPC user guide",
)
_SUBNET = NameRule(
    service="a subnet",
    longest=24,
    pattern=f"subnet-{_SERIAL}",
    alphabet="an id such as subnet-0a1b2c3d4e5f60718",
    source="VPC user guide",
)
_VERSION = NameRule(
    service="a version of Kubernetes",
    longest=10,
    pattern="1\\.[0-9]{2}",
    alphabet='a minor version in quotes, such as "1.34"',
    source="EKS user guide, Kubernetes version lifecycle",
)
_POSTGRESQL = NameRule(
    service="a version of PostgreSQL",
    longest=5,
    pattern="[0-9]{2}(\\.[0-9]+)?",
    alphabet='such as "17"',
    source="RDS user guide, Available PostgreSQL database versions",
)
_CLASS = NameRule(
    service="an instance class of RDS",
    longest=40,
    pattern="db\\.[a-z0-9-]+\\.[a-z0-9-]+",
    alphabet="such as db.t4g.medium",
    source="RDS user guide, DB instance classes",
)
_ENDPOINT = NameRule(
    service="a private endpoint",
    longest=60,
    pattern="[a-z0-9][a-z0-9.-]*",
    alphabet="a service's name behind com.amazonaws.REGION., such as ecr.api",
    source="VPC user guide, AWS services that integrate with AWS PrivateLink",
)
# YAML reads it without quotes as a number.
AccountId = Annotated[
    str,
    AfterValidator(_ACCOUNT.check),
    WithJsonSchema({**_ACCOUNT.json_schema(), "type": ["string", "number"]}),
]
RoleArn = Annotated[str, AfterValidator(_ROLE.check), WithJsonSchema(_ROLE.json_schema())]
PrincipalArn = Annotated[str, AfterValidator(_PRINCIPAL.check), WithJsonSchema(_PRINCIPAL.json_schema())]
VpcId = Annotated[str, AfterValidator(_VPC.check), WithJsonSchema(_VPC.json_schema())]
SubnetId = Annotated[str, AfterValidator(_SUBNET.check), WithJsonSchema(_SUBNET.json_schema())]
# YAML reads a bare 1.34 as a number.
Version = Annotated[
    str,
    AfterValidator(_VERSION.check),
    WithJsonSchema({**_VERSION.json_schema(), "type": ["string", "number"]}),
]
PostgresqlVersion = Annotated[
    str,
    AfterValidator(_POSTGRESQL.check),
    WithJsonSchema({**_POSTGRESQL.json_schema(), "type": ["string", "number"]}),
]
InstanceClass = Annotated[str, AfterValidator(_CLASS.check), WithJsonSchema(_CLASS.json_schema())]
Endpoint = Annotated[str, AfterValidator(_ENDPOINT.check), WithJsonSchema(_ENDPOINT.json_schema())]
# 20 GiB are the least that gp3 takes, 65,536 the most: RDS user guide, "Amazon RDS DB instance storage".
Gibibytes = Annotated[int, Field(ge=20, le=65_536)]
# The retentions that CloudWatch Logs takes: API reference, PutRetentionPolicy.
LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class ApiSettings(Settings):
    """Who reaches the Kubernetes API's public address; whoever does still has to sign in."""

    # EKS takes 40 ranges at most: EKS user guide, "Service quotas".
    cidrs: Annotated[tuple[Cidr, ...], Field(max_length=40)] = ()
    """Public ranges of offices, VPNs and CI. Needed outside production; refused in production, whose API is private."""


class AdoptSettings(Settings):
    """What exists already and is used in place of a new one."""

    vpc: VpcId | None = None
    """The VPC; then name its subnets, too."""
    node_subnets: tuple[SubnetId, ...] = ()
    """Private subnets for nodes, one for each zone."""
    database_subnets: tuple[SubnetId, ...] = ()
    """Subnets for the database, in two zones at least."""
    cluster: Line | None = None
    """Name of the EKS cluster. A slice uses its platform's, which has the platform's name."""
    buckets: dict[Key, Line] = Field(default_factory=dict)
    """S3 buckets by kind of objects (results, datasets, models, scratch)."""


class DatabaseSettings(Settings):
    """The RDS instance of PostgreSQL."""

    authorities: Line
    """The certificate authorities of RDS, a PEM file relative to the project (RDS user guide, "Using SSL/TLS")."""
    instance_class: InstanceClass | None = None
    """The instance class; by default db.t4g.medium, in production db.m7g.large."""
    storage_gb: Gibibytes = 50
    """Storage to begin with, in GiB."""
    max_storage_gb: Gibibytes | None = None
    """What the storage may grow to by itself, in GiB; by default it does not grow."""
    version: PostgresqlVersion = "17"
    """PostgreSQL's major version; minor ones are AWS's to bring in."""
    token_logins: bool = False
    """Logins that IAM's tokens open, beside those by password. See docs/clouds.md before you ask for them."""


class AwsSettings(Settings):
    """An account of AWS, and what is made or adopted there."""

    account: AccountId
    """The account, twelve digits in quotes. Another one's credentials are refused."""
    region: Line
    """The region, such as eu-central-1."""
    role: RoleArn | None = None
    """The role to assume, which administers the cluster; by default whoever brought the stack up last does."""
    platform: NamespaceName | None = None
    """Name of the platform whose slice this is. Without it the environment has a cluster to itself."""
    kueue: StrictBool | None = None
    """Whether jobs wait in queues, by Kueue, which comes with a cluster that is made here; not on an adopted one."""
    adopt: AdoptSettings = AdoptSettings()
    """What exists already."""
    zones: Annotated[int, Field(ge=2, le=3)] = 3
    """Availability zones."""
    api: ApiSettings = ApiSettings()
    """Who reaches the Kubernetes API."""
    deploy_from: tuple[Cidr, ...] = ()
    """Private ranges, of a VPN or of CI's runners, that reach the database and the API's private address."""
    kubernetes_version: Version = "1.34"
    """Kubernetes' version."""
    nat: Nat | None = None
    """NAT gateways: none, one, or per-zone, which production has by default; the other tiers have one."""
    endpoints: tuple[Endpoint, ...] | None = None
    """Services with a private endpoint, beside S3; by default ecr.api, ecr.dkr, logs, sts, in experimentation none."""
    principals: dict[Group, PrincipalArn] = Field(default_factory=dict)
    """IAM role or user of each group of people. Into a shared cluster the platform's stack lets them, not a slice's."""
    machines: dict[Key, dict[str, Any]] = Field(default_factory=dict)
    """By pool: what is put over the spec of its Karpenter NodePool, as it is."""
    database: DatabaseSettings | None = None
    """The RDS instance of PostgreSQL. An environment needs one, a platform and a lake don't."""
    flow_logs_days: LogDays = 30
    """Days that the VPC's flow logs are kept."""
    log_days: LogDays = 90
    """Days that the logs of the cluster's control plane are kept."""


@dataclass(frozen=True)
class Defaults:
    """What a tier sets on AWS unless the stack file says otherwise; `multi_az` nobody can override."""

    nat: Nat
    endpoints: tuple[str, ...]
    instance_class: str
    multi_az: bool = False


_PRIVATE = ("ecr.api", "ecr.dkr", "logs", "sts")
_DEFAULTS: Mapping[Tier, Defaults] = {
    Tier.EXPERIMENTATION: Defaults("one", (), "db.t4g.medium"),
    Tier.TESTING: Defaults("one", _PRIVATE, "db.t4g.medium"),
    Tier.PRODUCTION: Defaults("per-zone", _PRIVATE, "db.m7g.large", multi_az=True),
}


def resolved(settings: AwsSettings, tier: Tier) -> Defaults:
    """Return what holds where the tier sets a default.

    Args:
        settings: The block.
        tier: The tier; of a platform, its strictest.
    """
    usual, database = _DEFAULTS[tier], settings.database
    return Defaults(
        nat=settings.nat or usual.nat,
        endpoints=usual.endpoints if settings.endpoints is None else settings.endpoints,
        multi_az=usual.multi_az,
        instance_class=(database.instance_class if database else None) or usual.instance_class,
    )
