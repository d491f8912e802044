"""Gate 3: what the cluster's admission policies are told of security's decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from policies.gates import book
from policies.gates.book import Book
from policies.rules import Tier
from policies.rules.cluster_gate import Lists


def lists(root: Path) -> Lists:
    """Return what security approves, as it stands today.

    Args:
        root: The folder of Pulumi.yaml.

    Raises:
        InvalidSettings: If security's files are not valid.
    """
    today = datetime.now(UTC).date()
    return lists_of(book.read(root, today), today)


def lists_of(decided: Book, today: date) -> Lists:
    """Return the lists that a platform's admission policies hold.

    Args:
        decided: What security has decided. Its waivers are for resources of a stack, which the API server can't tell.
        today: The day by which rules begin to deny.
    """
    waiting = (
        rule
        for rule, state in decided.rollout.items()
        if state.mode != "deny" or (state.from_ is not None and today < state.from_)
    )
    inputs = {Tier(tier.value): listed for tier, listed in decided.approved.inputs.items()}
    return Lists(decided.approved.registries, decided.running, tuple(sorted(waiting)), inputs)
