"""What a stack file can say: frozen models without I/O, without Outputs and without secrets.

Unknown keys are refused. Another cloud's block is refused by `components.clouds`; what needs other files (the address
plan) is checked by `terrarium check`. Secrets are never part of it: they stay under their own Pulumi configuration keys
and are read as secret Outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from components import addressing, naming
from components.addressing import Network
from components.settings import quantities
from components.tiers import TIERS, Egress, PodSecurity, Tier

# Together they are the environment's id, which will name buckets, databases and roles as well as namespaces. 32, 1 and
# 20 leave ten characters for suffixes in the tightest of these (63: RFC 1123 labels, S3, PostgreSQL).
_PROJECT = naming.NameRule(
    service="a project",
    longest=32,
    pattern=r"[a-z]([-a-z0-9]*[a-z0-9])?",
    alphabet="lower-case letters, digits and `-`, starting with a letter and not ending with `-`",
    source="it begins the names of everything the project owns",
)
_NAME = naming.NameRule(
    service="an environment or platform",
    longest=20,
    pattern=r"[a-z][a-z0-9]*",
    alphabet="lower-case letters and digits, starting with a letter, no `-`",
    source="so that `<project>-<name>` can be read in one way only",
)
_KEY = naming.NameRule(
    service="a key",
    longest=30,
    pattern=r"[a-z]([-a-z0-9]*[a-z0-9])?",
    alphabet="lower-case letters, digits and `-`, starting with a letter and not ending with `-`",
    source="it becomes part of a Kubernetes object's name",
)


class Settings(BaseModel):
    """A frozen model that refuses unknown keys and never echoes a value in an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        coerce_numbers_to_str=True,
        regex_engine="python-re",
    )


def _cidr(value: str) -> str:
    addressing.parse(value)
    return value


def _destination(value: str) -> str:
    addressing.destination(value)
    return value


def _quantity(value: str) -> str:
    quantities.parse(value)
    return value


def _label(value: str) -> str:
    return naming.LABEL_VALUE.check(value)


def _no_control_characters(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a line break or another character that can't be shown")
    return value


def _group(value: str) -> str:
    if value != value.strip():
        raise ValueError("begins or ends with a blank: the cluster would look for a group of just that name")
    if value.startswith("system:"):
        raise ValueError(
            "begins with `system:`, which is Kubernetes' own: such a group holds everybody (system:authenticated) or "
            "every workload of other environments (system:serviceaccounts); name a group of the sign-in"
        )
    return value


def _whole_number_only(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic takes ValueError
    return value


_QUANTITY_SCHEMA = {
    "type": ["string", "number"],
    "pattern": f"^(?:{quantities.PATTERN})$",
    "minimum": 0,
    "examples": ["500m", "4", "64Gi"],
}
_CIDR_SCHEMA = {"type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$", "examples": ["10.64.0.0/20"]}
Cidr = Annotated[str, AfterValidator(_cidr), WithJsonSchema(_CIDR_SCHEMA)]
Destination = Annotated[str, AfterValidator(_destination), WithJsonSchema(_CIDR_SCHEMA)]
Quantity = Annotated[
    str, BeforeValidator(_whole_number_only), AfterValidator(_quantity), WithJsonSchema(_QUANTITY_SCHEMA)
]
# YAML reads a bare 4711 as a number; settings take it as text.
Label = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({**naming.LABEL_VALUE.json_schema(), "type": ["string", "number"]}),
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_control_characters)]
Group = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    AfterValidator(_no_control_characters),
    AfterValidator(_group),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^(?!system:|\s).*\S$"}),
]
Key = Annotated[str, AfterValidator(_KEY.check), WithJsonSchema(_KEY.json_schema())]
ShortName = Annotated[str, AfterValidator(_NAME.check), WithJsonSchema(_NAME.json_schema())]
NamespaceName = Annotated[str, AfterValidator(naming.NAMESPACE.check), WithJsonSchema(naming.NAMESPACE.json_schema())]
# The bounds stand before the validator: behind it pydantic keeps them out of the JSON Schema.
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_whole_number_only)]
Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(_whole_number_only)]


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
    egress_to: dict[Key, EgressAllowance] = {}
    """Ways out, by a name of yours."""
    ingress_from: dict[Key, IngressAllowance] = {}
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

    project: Annotated[str, AfterValidator(_PROJECT.check), WithJsonSchema(_PROJECT.json_schema())]
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
    pod_security: PodSecurity
    """Pod Security Standard that pods must meet."""

    @property
    def id(self) -> str:
        """The environment's id, `<project>-<name>`."""
        return naming.environment_id(self.project, self.name)

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
        for rule in TIERS[self.tier].rules:
            if not rule.holds(self):
                yield rule.key, f"tier {self.tier.value} takes {rule.demand}: {rule.why}"


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

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for values that are right alone and wrong together."""
        if Tier.PRODUCTION in self.tiers and len(set(self.tiers)) > 1:
            yield "tiers", "production shares a platform with no other tier: give it one of its own"
