"""Production apart from all else: no shared account, project, cluster, store or state."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.model import EVERY_TIER, PRODUCTION, STACK, Facts, Finding, Resource, Severity, Tier, rule

# What every production stack stands on, whatever its cloud.
_KNOWN = ("account", "cluster", "store", "state")


@rule(
    "production-apart",
    title="Production shares no account, cluster, store or state with another tier.",
    reason="Whoever administers the shared thing for a test administers production with it.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("own",),
    remedy="Give production its own; experimentation and testing may share a cluster as slices.",
    types=(STACK,),
)
def production_apart(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """No place of this stack is one of another tier's, if either is production."""
    for kind, place in facts.places.items():
        others = facts.occupied.get(kind, {}).get(place, frozenset()) - {facts.tier}
        if others and Tier.PRODUCTION in {facts.tier, *others}:
            yield Finding(kind, f"is shared with {', '.join(sorted(others))}")


@rule(
    "production-places-known",
    title="It is known what production stands on.",
    reason="What is not said can't be compared with what others stand on.",
    severity=Severity.HIGH,
    tiers=PRODUCTION,
    sources=("own",),
    remedy="Have the gate read account, cluster, store and state from the stack's providers and backend.",
    types=(STACK,),
)
def places_known(_stack: Resource, facts: Facts) -> Iterator[Finding]:
    """Account, cluster, store and state are named."""
    for kind in _KNOWN:
        if not facts.places.get(kind):
            yield Finding(kind, "is not known")
