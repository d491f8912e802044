"""What is asked before a workload is sent to a cluster: what admission would refuse, before anything is made."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from components.tiers import Tier
from policies.gates import book, cluster
from policies.rules.inputs import Refused, inputs_allowed, refused_inputs


def refused(root: Path, tier: Tier, environment: str, inputs: Collection[str]) -> tuple[Refused, ...]:
    """Return which inputs a workload may not declare, by security's files as they stand today.

    Args:
        root: The folder that holds security's files.
        tier: The environment's tier.
        environment: Its id.
        inputs: Entries as `churn-prod/datasets/sales/2026.parquet`.

    Raises:
        InvalidSettings: If security's files are not valid.
    """
    today = datetime.now(UTC).date()
    decided = book.read(root, today)
    if inputs_allowed.id in cluster.lists_of(decided, today).off:
        return ()
    allowed = decided.approved.inputs.get(tier, ())
    return tuple(found for entry in inputs for found in refused_inputs(entry, environment, allowed))
