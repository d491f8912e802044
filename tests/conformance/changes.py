"""Small changes of a declaration, at which nothing may be replaced on any cloud."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

_POOL = {"cpu": 4, "memory": "16Gi", "max": 3}
_ALLOWANCE = {"cidr": "203.0.113.0/28", "ports": [443], "why": "A partner"}


@dataclass(frozen=True)
class Change:
    """One change.

    Args:
        what: What changes, in words.
        key: The key of the environment that changes.
        to: Its new value; a mapping is put over what the declaration says there.
        at_first: What the key holds before; by default what the harness declares.
        of: What a cloud must offer for it.
    """

    what: str
    key: str
    to: Any
    at_first: Mapping[str, Any] | None = None
    of: Set[str] = field(default_factory=frozenset)

    def before(self, block: dict[str, Any]) -> dict[str, Any]:
        """Return the declaration before the change."""
        return block if self.at_first is None else {**block, self.key: self.at_first}

    def after(self, block: dict[str, Any]) -> dict[str, Any]:
        """Return the declaration after the change."""
        held = block.get(self.key)
        both = isinstance(held, dict) and isinstance(self.to, dict)
        return {**block, self.key: {**held, **self.to} if both else self.to}


_CLUSTERS, _STORE = frozenset({"clusters"}), frozenset({"store"})
_POOLS = {"general": _POOL}
CHANGES = (
    Change("a tag", "cost_centre", "another"),
    Change("an owner", "owner", "somebody@example.org"),
    Change("the size of a pool", "pools", {"general": {**_POOL, "max": 7}}, _POOLS, _CLUSTERS),
    Change("machines that are always there", "pools", {"general": {**_POOL, "min": 2}}, _POOLS, _CLUSTERS),
    Change("another pool", "pools", {"more": {"machine": "memory", "max": 2}}, _POOLS, _CLUSTERS),
    Change("a budget", "budget", {"monthly": 900, "notify": ["a@example.org"]}, None, _CLUSTERS),
    Change("an allowance", "network", {"egress_to": {"partner": _ALLOWANCE}}),
    Change("a quota", "quota", {"cpu": 40, "pods": 60}),
    Change("a reader", "people", {"readers": ["somebody-else@example.org"]}),
    Change("a bucket", "buckets", {"bob": {}}, None, _STORE),
    Change("how long versions are kept", "store", {"keep_versions_days": 91}, None, _STORE),
)
