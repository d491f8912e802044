"""What a rule is, what it reads and what it says.

A rule is a pure function: no clock, no network, no engine. All gates call the same one, so it is given plain values in
the names of the provider's own wire format (`vpcConfig`, not `vpc_config`), never the SDK's objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeVar, cast

from policies.rules.records import Deployment, Evidence, Sovereignty

T = TypeVar("T")

STACK = "pulumi:pulumi:Stack"
"""The type that rules about a stack as a whole read: the engine's own token for the stack."""


class Tier(StrEnum):
    """The tiers as `components.tiers` has them; said again because rules import nothing of ours."""

    EXPERIMENTATION = "experimentation"
    TESTING = "testing"
    PRODUCTION = "production"


EVERY_TIER = frozenset(Tier)
SHARED_TIERS = frozenset({Tier.TESTING, Tier.PRODUCTION})
PRODUCTION = frozenset({Tier.PRODUCTION})


class Severity(StrEnum):
    """How bad a violation is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Mark:
    """A value that stands for something that has no value; compared by identity."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN = Mark("UNKNOWN")
"""A value that is known only after the operation."""


class Secret:
    """A value that must not be shown. Rules look inside, their messages can't: `repr` hides it."""

    __slots__ = ("inner",)

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class Options:
    """What a program says of a resource besides its properties.

    Args:
        protect: Whether the engine refuses to delete it.
        provider: Name of the explicit provider, empty for a default one.
        parent: URN or name of its parent, empty for the stack.
    """

    protect: bool = False
    provider: str = ""
    parent: str = ""


@dataclass(frozen=True)
class Resource:
    """What a rule judges.

    Args:
        type: Type token, as `aws:eks/cluster:Cluster`.
        name: Logical name; shown in messages.
        properties: Inputs in wire names: mappings, lists, text, numbers, booleans, None, `UNKNOWN` and `Secret`.
        options: Protection, provider, parent.
    """

    type: str
    name: str
    properties: Mapping[str, object] = field(default_factory=dict)
    options: Options = Options()
    _derived: dict[Callable[[Resource], object], object] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )

    @property
    def is_provider(self) -> bool:
        """Whether it is a provider, which makes others, and nothing of a cloud's."""
        return self.type.startswith("pulumi:providers:")

    def derived(self, make: Callable[[Resource], T]) -> T:
        """Return what a function makes of this resource, made once: fifteen rules walk the same pods.

        Args:
            make: A function of the resource alone.
        """
        if make not in self._derived:
            self._derived[make] = make(self)
        return cast("T", self._derived[make])


@dataclass(frozen=True)
class Facts:
    """What rules must know besides the resource. Each default is the one under which least is allowed.

    Args:
        tier: Tier of the stack.
        today: The day on which evidence must still be fresh.
        resources: All resources of the stack, for the rules about it.
        registries: Approved registries with their path, as `registry.example/team`. Security's list.
        base_images: Approved base images, as `registry.example/base/python`. Security's list.
        charts: Charts that may be installed as a release, as `oci://registry.example/chart@1.2.3`, each with the values
            that a stack may set, as `controller.nodeSelector`. Security's list.
        evidence: What is known of images, by digest (`sha256:…`).
        scan_days: How many days a scan counts.
        cluster_admins: Subjects that may be cluster-admin, as `Group:platform`.
        cost_keys: Labels or tags that every taggable resource must have.
        default_tags: Tags that each provider gives to all that it makes, by the provider's name.
        regions: Regions that may be used, by cloud (`aws`, `gcp`, `scaleway`).
        expiring: Logical names of buckets that hold only what has an end: scratch, backups.
        deploying: Logical names of what gives the declared CI its rights: it makes all that the stack is made of.
        networks: Ids and names of this environment's own networks.
        inputs: Whose data workloads of this tier may name besides their own environment's: ids of environments, and
            lakes as `lake:NAME`. Security's list.
        deployment: What CI attests.
        branches: Refs that this tier takes; `*` stands for any text. Empty: none.
        protected_refs: Refs that can't be pushed to without review.
        places: What this stack stands on, by kind (`account`, `project`, `cluster`, `store`, `state`).
        occupied: Tiers of the other environments that stand on the same kinds of places: kind → place → tiers.
        sovereignty: Where data may be.
    """

    tier: Tier
    today: date = date.max
    resources: tuple[Resource, ...] = ()
    registries: tuple[str, ...] = ()
    base_images: tuple[str, ...] = ()
    charts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    scan_days: int = 30
    cluster_admins: frozenset[str] = frozenset()
    cost_keys: tuple[str, ...] = ()
    default_tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    regions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expiring: frozenset[str] = frozenset()
    deploying: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    deployment: Deployment = field(default_factory=Deployment)
    branches: tuple[str, ...] = ()
    protected_refs: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    occupied: Mapping[str, Mapping[str, frozenset[Tier]]] = field(default_factory=dict)
    sovereignty: Sovereignty = field(default_factory=Sovereignty)


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Args:
        path: Property, as `spec.containers[0].image`; empty for the resource as a whole.
        says: What is wrong, in fixed words. Never a property's value: CrossGuard hands secrets over as plain text, so
            any value may be one (pulumi-policy #163, #241).
        unknown: Whether the value can't be seen yet, so that nothing is known to be wrong.
        resource: The resource, if the rule judges a stack.
    """

    path: str
    says: str
    unknown: bool = False
    resource: Resource | None = None


Check = Callable[[Resource, Facts], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """One rule of the catalogue.

    Args:
        id: Stable name, used in waivers and reports.
        title: What it demands, in one sentence.
        reason: What goes wrong without it.
        severity: How bad a violation is.
        tiers: Where it binds.
        sources: Where the rule comes from: ids of other catalogues, `own` for none.
        remedy: What to do about a violation.
        types: Type tokens that it reads; one that ends in `:*` stands for all of that provider.
        kinds: Of `kubernetes:*`, the kinds that it reads; none for each kind that carries a pod.
        about: Of a rule about the stack as a whole, the types that it looks for there; with no types and no kinds it is
            about the stack itself.
        check: Yields what it finds in one resource.
        unknown: Whether a value that can't be seen yet counts as a violation in production.
        topic: The file that it stands in.
        cel: The same in CEL, true of what obeys, over the variables that cluster_gate.py gives the topic; empty if the
            API server's admission policies don't judge it.
    """

    id: str
    title: str
    reason: str
    severity: Severity
    tiers: frozenset[Tier]
    sources: tuple[str, ...]
    remedy: str
    types: tuple[str, ...]
    kinds: tuple[str, ...]
    about: tuple[str, ...]
    check: Check
    unknown: bool
    topic: str
    cel: str = ""


@dataclass(frozen=True)
class Violation:
    """One resource that breaks one rule.

    Args:
        rule: The rule's id.
        severity: The rule's severity.
        type: Type token of the resource.
        name: Its logical name.
        path: The property; empty for the resource as a whole.
        message: The rule's id, then what is wrong and what to do.
        says: What is wrong alone, in fixed words.
    """

    rule: str
    severity: Severity
    type: str
    name: str
    path: str
    message: str
    says: str = ""


def rule(
    rule_id: str,
    *,
    title: str,
    reason: str,
    severity: Severity,
    tiers: frozenset[Tier],
    sources: tuple[str, ...],
    remedy: str,
    types: tuple[str, ...],
    kinds: tuple[str, ...] = (),
    about: tuple[str, ...] = (),
    unknown: bool = False,
    cel: str = "",
) -> Callable[[Check], Rule]:
    """Return what makes a rule of a check function; the arguments are the fields of `Rule`."""

    def made(check: Check) -> Rule:
        topic = check.__module__.rpartition(".")[2]
        return Rule(
            rule_id, title, reason, severity, tiers, sources, remedy, types, kinds, about, check, unknown, topic, cel
        )

    return made
