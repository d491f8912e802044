"""The runner: which rules read a resource, and what becomes of what they find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from policies.rules.carriers import IMAGES, PARTIAL, PODS
from policies.rules.catalogue import catalogue
from policies.rules.model import STACK, Facts, Finding, Resource, Rule, Tier, Violation
from policies.rules.workloads import ANY_KUBERNETES, EVERY_KIND


def check(resource: Resource, facts: Facts, rules: Sequence[Rule] | None = None) -> tuple[Violation, ...]:
    """Return what a resource violates. Never raises for what the resource holds.

    A rule that raises counts as a violation in production and names itself: a mistake of ours must not open a gate.
    Elsewhere it is passed over, so that it can't stop a team's work.

    Args:
        resource: The resource; `stack_of(...)` for the rules about the stack as a whole.
        facts: Tier, lists and the rest of the stack.
        rules: The rules to apply; the whole catalogue if not given.
    """
    found: list[Violation] = []
    asked = readers(resource.type) if rules is None else _among(rules, resource.type)
    for rule in asked:
        if facts.tier in rule.tiers:
            found.extend(_violation(rule, resource, finding) for finding in _findings(rule, resource, facts))
    return tuple(dict.fromkeys(found))


def unseen(resource: Resource, facts: Facts) -> tuple[Violation, ...]:
    """Return what rules could not see in a resource where that is no violation: nobody knows whether it passes.

    Args:
        resource: As for `check`.
        facts: As for `check`.
    """
    found = (
        _violation(rule, resource, finding)
        for rule in readers(resource.type)
        if facts.tier in rule.tiers
        for finding in _found(rule, resource, facts)
        if finding.unknown and not _counts(rule, facts)
    )
    return tuple(dict.fromkeys(found))


def stack_of(name: str) -> Resource:
    """Return the resource that stands for a stack; its rules read `Facts`.

    Args:
        name: Name of the stack.
    """
    return Resource(STACK, name)


@cache
def readers(token: str) -> tuple[Rule, ...]:
    """Return the rules that are asked about a type; there are few types and many resources of each.

    Args:
        token: Type token.
    """
    return _among(catalogue(), token)


@cache
def made_for(token: str) -> tuple[Rule, ...]:
    """Return the rules that are about a type in particular, and not about everything of its provider.

    Those about a stack as a whole are among them, by what they look for in it.

    Args:
        token: Type token.
    """
    kind = token.rpartition(":")[2].removesuffix("Patch").removesuffix("List") if _kubernetes(token) else ""
    carries = any(kind == one.name for one in (*PODS, *PARTIAL, *IMAGES))
    return tuple(
        rule
        for rule in catalogue()
        if token in {*rule.types, *rule.about}
        or kind in rule.kinds
        or (carries and not rule.kinds and ANY_KUBERNETES in rule.types)
    )


def general(token: str) -> tuple[Rule, ...]:
    """Return the rules that read a type as they read everything of its provider.

    Args:
        token: Type token.
    """
    own = made_for(token)
    every = (rule for rule in readers(token) if ANY_KUBERNETES not in rule.types or rule.kinds == EVERY_KIND)
    return tuple(rule for rule in every if rule not in own)


def reads(rule: Rule) -> tuple[str, ...]:
    """Return what a rule reads, in words, kinds and type tokens.

    Args:
        rule: The rule.
    """
    if ANY_KUBERNETES in rule.types:
        every = "every kind" if rule.kinds else "every kind that carries a pod"
        return (every,) if rule.kinds in {(), EVERY_KIND} else rule.kinds
    return tuple("the stack as a whole" if token == STACK else token for token in rule.types) + rule.about + rule.kinds


def _kubernetes(token: str) -> bool:
    return token.startswith(ANY_KUBERNETES.removesuffix("*"))


def _among(rules: Sequence[Rule], token: str) -> tuple[Rule, ...]:
    provider = f"{token.partition(':')[0]}:*"
    return tuple(rule for rule in rules if token in rule.types or provider in rule.types)


def _findings(rule: Rule, resource: Resource, facts: Facts) -> Iterator[Finding]:
    return (one for one in _found(rule, resource, facts) if not one.unknown or _counts(rule, facts))


def _counts(rule: Rule, facts: Facts) -> bool:
    """Tell whether what a rule can't see yet is a violation."""
    return rule.unknown and facts.tier is Tier.PRODUCTION


def _found(rule: Rule, resource: Resource, facts: Facts) -> tuple[Finding, ...]:
    try:
        return tuple(rule.check(resource, facts))
    except Exception as error:  # noqa: BLE001 - whatever a rule of ours stumbles over
        if facts.tier is not Tier.PRODUCTION:
            return ()
        # The kind of error only: its text may quote a secret.
        says = f"could not be judged: the rule failed with {type(error).__name__}, which is its mistake"
        return (Finding("", says),)


def _violation(rule: Rule, resource: Resource, finding: Finding) -> Violation:
    where = finding.resource or resource
    what = " ".join(part for part in (finding.path, finding.says) if part)
    message = f"{rule.id}: {where.name} ({where.type}): {what}. {rule.remedy}"
    return Violation(rule.id, rule.severity, where.type, where.name, finding.path, message, finding.says)
