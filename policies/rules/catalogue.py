"""All rules, in the order of their topics."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from policies.rules import (
    admission,
    buckets,
    clusters,
    costs,
    databases,
    deployments,
    identities,
    images,
    inputs,
    keys,
    namespaces,
    networks,
    nodes,
    placement,
    pods,
    rbac,
    regions,
    registries,
    separation,
    services,
    stateful,
)
from policies.rules.model import Rule

TOPICS: tuple[ModuleType, ...] = (
    images,
    pods,
    placement,
    inputs,
    namespaces,
    rbac,
    services,
    admission,
    registries,
    clusters,
    nodes,
    databases,
    buckets,
    identities,
    keys,
    networks,
    regions,
    separation,
    deployments,
    stateful,
    costs,
)
"""The modules that hold rules; beside each stands `<name>.cases.yaml`."""


@cache
def catalogue() -> tuple[Rule, ...]:
    """Return every rule.

    Raises:
        ValueError: If two rules have one id.
    """
    rules = tuple(one for topic in TOPICS for one in vars(topic).values() if isinstance(one, Rule))
    twice = {one.id for one in rules if sum(other.id == one.id for other in rules) > 1}
    if twice:
        raise ValueError(f"rules with the same id: {', '.join(sorted(twice))}")
    return rules
