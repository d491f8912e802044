"""Stacks on AWS that have a cluster of their own, and what is found wrong with one before AWS is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.settings.declaration import declare
from components.settings.problems import InvalidSettings
from tests.clouds.aws_answers import ACCOUNT, REGION

AUTHORITIES = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
OFFICE = "203.0.113.0/24"
RANGE = "10.64.0.0/18"
_WHO = {"owner": "churn@example.org", "cost_centre": "c1"}


def environment(tier: str = "experimentation", aws: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return an environment's block.

    Args:
        tier: Its tier.
        aws: Changes of `cloud.aws`; None takes a key away.
        changes: Further keys.
    """
    people = {"automation": ["ci"], "readers": ["audit"]} | ({} if tier == "production" else {"members": ["team"]})
    base = {"project": "churn", "name": "x", "tier": tier, **_WHO, "people": people, "network": {"cidr": RANGE}}
    return base | {"cloud": {"aws": _block(tier, {"database": {"authorities": "rds.pem"}}, aws)}} | changes


def platform(aws: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the block of a platform for experimentation and testing; as `environment`."""
    base = {"name": "shared", "tiers": ["experimentation", "testing"], **_WHO, "network": {"cidr": RANGE}}
    return base | {"cloud": {"aws": _block("testing", {}, aws)}} | changes


def lake(aws: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the block of a lake on the platform `shared`; as `environment`."""
    base = {"name": "rain", "tiers": ["experimentation", "testing"], **_WHO}
    own = {"account": ACCOUNT, "region": REGION, "platform": "shared"} | dict(aws or {})
    return base | {"cloud": {"aws": own}} | changes


def _block(tier: str, base: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    block: dict[str, Any] = {"account": ACCOUNT, "region": REGION, **base}
    if tier != "production":
        block["api"] = {"cidrs": [OFFICE]}
    return {key: value for key, value in (block | dict(changes or {})).items() if value is not None}


def sliced(tier: str = "experimentation", aws: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the block of an environment on the platform `shared`; as `environment`."""
    own = environment(tier, {"platform": "shared", "api": None, **(aws or {})}, **changes)
    return {key: value for key, value in own.items() if key != "network" or "network" in changes}


def problems(folder: Path, block: Mapping[str, Any], kind: str = "environment") -> dict[str, list[str]]:
    """Return what is wrong with a stack, by key.

    Args:
        folder: A folder of the test's own.
        block: The stack's block.
        kind: Its kind.
    """
    config = {"pulumi:disable-default-providers": ["*"], f"terrarium:{kind}": block}
    (folder / "Pulumi.x.yaml").write_text(json.dumps({"config": config}), encoding="utf-8")
    try:
        declare(folder, "x")
    except InvalidSettings as error:
        found: dict[str, list[str]] = {}
        for problem in error.problems:
            found.setdefault(problem.key.removeprefix(f"terrarium:{kind}."), []).append(problem.message)
        return found
    return {}
