"""The three tiers in one table: what each sets by default, who may do what, and what nobody may override.

A default can be overridden in `organisation.yaml` or the stack file. A hard rule can't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from components.addressing import merged

if TYPE_CHECKING:
    from components.settings.models import EnvironmentSettings


class Tier(StrEnum):
    """The phase of a project that an environment serves. Fixed at creation."""

    EXPERIMENTATION = "experimentation"
    TESTING = "testing"
    PRODUCTION = "production"


class Right(StrEnum):
    """What a group of people or machines may do in an environment's namespace.

    Whoever may create Jobs or Deployments there runs any image that admission lets in and mounts any secret of the
    namespace: a right without a shell, or without a view of secrets, is no wall against its holder.
    """

    READ = "reader"
    """See everything but secrets, and read logs."""
    WRITE = "writer"
    """Run and change workloads by hand, open a shell in them, see secrets."""
    DEPLOY = "deployer"
    """Change workloads, as CI and Flux do, and through them reach secrets; no shell."""
    LAUNCH = "launcher"
    """See, and start or schedule jobs, of any image and with any secret of the namespace."""


class StoreRight(StrEnum):
    """What a group of people or machines may do with an environment's data, by whose keys it may read."""

    READ = "ro"
    """Read objects and tables."""
    WRITE = "rw"
    """Read and change them."""


Egress = Literal["open", "listed"]
PodSecurity = Literal["baseline", "restricted"]


@dataclass(frozen=True)
class StoreDefaults:
    """What a tier sets for the data store; the field names are the keys of `store`."""

    versioned: bool
    keep_versions_days: int
    expire_scratch_days: int
    protected: bool
    recovery: Mapping[str, int]


@dataclass(frozen=True)
class Defaults:
    """What a tier sets unless a file says otherwise; the field names are the keys of the settings.

    `pool` is the one pool of a cluster whose stack declares none: an existing cluster has its owner's machines.
    """

    egress: Egress
    pod_security: PodSecurity
    quota: Mapping[str, str | int]
    container_default: Mapping[str, str]
    container_maximum: Mapping[str, str]
    store: StoreDefaults
    pool: Mapping[str, str | int | bool]

    def as_settings(self) -> dict[str, object]:
        """Return the defaults in the form of a stack file."""
        return {
            "network": {"egress": self.egress},
            "pod_security": self.pod_security,
            "quota": dict(self.quota),
            "container": {"default": dict(self.container_default), "maximum": dict(self.container_maximum)},
            "store": asdict(self.store),
        }


@dataclass(frozen=True)
class HardRule:
    """What a tier demands of every environment.

    Args:
        key: The settings key that it binds.
        holds: Tells whether the settings obey it.
        demand: What is allowed, in words.
        why: What would go wrong without it.
    """

    key: str
    holds: Callable[[EnvironmentSettings], bool]
    demand: str
    why: str


@dataclass(frozen=True)
class TierTable:
    """All that is particular to one tier.

    Args:
        defaults: What is set unless a file says otherwise.
        rights: The right that each group named under `people` gets; absent means none.
        store: The right that each of these groups gets to the data; absent means none.
        priority: Value of the tier's PriorityClass; a higher one is scheduled first.
        preempts: Whether its pods may push out pods of lower priority.
        rules: What nobody may override.
    """

    defaults: Defaults
    rights: Mapping[str, Right]
    store: Mapping[str, StoreRight]
    priority: int
    preempts: bool
    rules: tuple[HardRule, ...]


_RESTRICTED = HardRule(
    key="pod_security",
    holds=lambda s: s.pod_security == "restricted",
    demand="`restricted`",
    why="a workload that can become root on its node can read every other environment's data there",
)
_EGRESS_LISTED = HardRule(
    key="network.egress",
    holds=lambda s: s.network.egress == "listed",
    demand="`listed`, with each destination under network.egress_to",
    why="data leaves through any open way out",
)
# Prefix lengths: of the largest private range (RFC 1918), and of what registries allocate to one provider (RIPE-738).
_WIDEST = {4: 8, 6: 32}
_NO_WORLD = HardRule(
    key="network.egress_to",
    # Merged: 0.0.0.0/1 and 128.0.0.0/2 are half the internet and more, however many pieces they are written in.
    holds=lambda s: all(
        n.prefixlen >= _WIDEST[n.version] for n in merged(a.network for a in s.network.egress_to.values())
    ),
    demand=f"ranges of at least /{_WIDEST[4]} (IPv4) or /{_WIDEST[6]} (IPv6), neighbours taken together",
    why="a list that names large parts of the internet is not a list",
)
_NO_MEMBERS = HardRule(
    key="people.members",
    holds=lambda s: not s.people.members,
    demand="nothing; name people under people.readers or people.promoters",
    why="nobody works in production by hand: CI deploys, promoters launch, few read",
)
_AUTOMATION_APART = HardRule(
    key="people.automation",
    holds=lambda s: not set(s.people.automation) & {*s.people.readers, *s.people.promoters},
    demand="groups that are not also people's",
    why="a person in CI's group could deploy without review",
)

_NO_BUCKETS_OF_PEOPLE = HardRule(
    key="buckets",
    holds=lambda s: not any(bucket.users or bucket.groups for bucket in s.buckets.values()),
    demand="buckets without users and groups",
    why="whoever has a bucket writes to it, and nobody writes to production's data by hand",
)
_NOTHING_BORROWED = HardRule(
    key="quota.borrow_percent",
    holds=lambda s: s.quota.borrow_percent == 0,
    demand="0",
    why="what is borrowed is taken back in mid-job, and a result must not depend on what others leave",
)
_VERSIONED = HardRule(
    key="store.versioned",
    holds=lambda s: s.store.versioned,
    demand="true",
    why="what is overwritten or deleted by mistake could not be brought back",
)
_PROTECTED = HardRule(
    key="store.protected",
    holds=lambda s: s.store.protected,
    demand="true",
    why="one command would destroy the data together with the environment",
)
_NO_END = HardRule(
    key="expires",
    holds=lambda s: s.expires is None,
    demand="nothing; destroy it by hand, by its name",
    why="what others rely on must not end by a date that nobody looks at any more",
)
_NO_SLEEP = HardRule(
    key="sleep",
    holds=lambda s: s.sleep is None,
    demand="nothing",
    why="production answers whenever it is asked",
)

TIERS: Mapping[Tier, TierTable] = {
    Tier.EXPERIMENTATION: TierTable(
        defaults=Defaults(
            egress="open",
            pod_security="restricted",
            quota={
                **{"cpu": "16", "memory": "64Gi", "gpu": 0, "pods": 100, "storage": "500Gi", "volumes": 20},
                "borrow_percent": 100,
            },
            container_default={"cpu": "500m", "memory": "1Gi"},
            container_maximum={"cpu": "8", "memory": "32Gi"},
            # A day's work may be lost, and half a day may pass until it goes on.
            store=StoreDefaults(
                versioned=True,
                keep_versions_days=7,
                expire_scratch_days=14,
                protected=False,
                recovery={"rpo_minutes": 1440, "rto_minutes": 720, "keep_backups_days": 7},
            ),
            pool={"cpu": "4", "memory": "16Gi", "min": 0, "max": 5, "spot": True},
        ),
        rights={"members": Right.WRITE, "readers": Right.READ, "automation": Right.DEPLOY},
        store={"members": StoreRight.WRITE, "readers": StoreRight.READ, "automation": StoreRight.WRITE},
        priority=1_000,
        preempts=False,
        rules=(),
    ),
    Tier.TESTING: TierTable(
        defaults=Defaults(
            egress="listed",
            pod_security="restricted",
            quota={
                **{"cpu": "32", "memory": "128Gi", "gpu": 0, "pods": 200, "storage": "1Ti", "volumes": 40},
                "borrow_percent": 0,
            },
            container_default={"cpu": "500m", "memory": "1Gi"},
            container_maximum={"cpu": "16", "memory": "64Gi"},
            store=StoreDefaults(
                versioned=True,
                keep_versions_days=30,
                expire_scratch_days=14,
                protected=False,
                recovery={"rpo_minutes": 1440, "rto_minutes": 240, "keep_backups_days": 30},
            ),
            pool={"cpu": "4", "memory": "16Gi", "min": 0, "max": 5, "spot": False},
        ),
        rights={
            "members": Right.READ,
            "readers": Right.READ,
            "automation": Right.DEPLOY,
            "promoters": Right.LAUNCH,
        },
        store={"members": StoreRight.READ, "readers": StoreRight.READ, "automation": StoreRight.WRITE},
        priority=10_000,
        preempts=True,
        rules=(_RESTRICTED, _EGRESS_LISTED, _NO_WORLD, _NOTHING_BORROWED, _NO_END),
    ),
    Tier.PRODUCTION: TierTable(
        defaults=Defaults(
            egress="listed",
            pod_security="restricted",
            quota={
                **{"cpu": "64", "memory": "256Gi", "gpu": 0, "pods": 500, "storage": "4Ti", "volumes": 80},
                "borrow_percent": 0,
            },
            container_default={"cpu": "500m", "memory": "1Gi"},
            container_maximum={"cpu": "32", "memory": "128Gi"},
            # Five minutes is what managed databases promise for their logs (Amazon RDS, "Point-in-time recovery").
            store=StoreDefaults(
                versioned=True,
                keep_versions_days=90,
                expire_scratch_days=7,
                protected=True,
                recovery={"rpo_minutes": 5, "rto_minutes": 60, "keep_backups_days": 90},
            ),
            # One in each of three zones: a zone can fail, and what ran there has machines at once.
            pool={"cpu": "8", "memory": "32Gi", "min": 3, "max": 10, "spot": False},
        ),
        rights={"readers": Right.READ, "automation": Right.DEPLOY, "promoters": Right.LAUNCH},
        # Written by what runs there and by promotion alone: no person and no deployment may read the keys that write.
        store={"readers": StoreRight.READ},
        priority=100_000,
        preempts=True,
        rules=(
            _RESTRICTED,
            _EGRESS_LISTED,
            _NO_WORLD,
            _NOTHING_BORROWED,
            _NO_MEMBERS,
            _AUTOMATION_APART,
            _NO_BUCKETS_OF_PEOPLE,
            _VERSIONED,
            _PROTECTED,
            _NO_END,
            _NO_SLEEP,
        ),
    ),
}


def admits(serves: frozenset[Tier], tier: Tier) -> bool:
    """Tell whether a platform that serves these tiers takes this one: production shares with no other."""
    return tier in serves and (Tier.PRODUCTION not in serves or len(serves) == 1)
