"""Declarations on Google Cloud that tests start from."""

from __future__ import annotations

from typing import Any

from tests.clouds.gcp_answers import PROJECT, REGION

SECURITY = "gke-security-groups@example.org"


def block(**changed: Any) -> dict[str, Any]:
    """Return a `cloud` block; what is given replaces its keys, None removes one."""
    own = {
        "project": PROJECT,
        "region": REGION,
        "api": {"cidrs": ["203.0.113.0/24"]},
        "security_group": SECURITY,
    } | changed
    return {"gcp": {key: value for key, value in own.items() if value is not None}}


def environment(tier: str = "experimentation", cloud: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return the block of an environment that owns its cluster."""
    production = {"api": None, "project": "fraud-prod"} if tier == "production" else {}
    people = {
        "experimentation": {"members": ["churn@example.org"], "readers": ["audit@example.org"]},
        "testing": {"members": ["churn@example.org"], "automation": ["ci@example.org"]},
        "production": {"readers": ["audit@example.org"]},
    }
    own = {
        "project": "fraud",
        "name": "dev",
        "tier": tier,
        "owner": "Fraud team",
        "cost_centre": "CC-4711",
        "cloud": block(**(production | (cloud or {}))),
        "network": {"cidr": "10.64.0.0/18"},
        "people": people[tier],
    }
    return {key: value for key, value in (own | changed).items() if value is not None}


def piece(cloud: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return the block of an environment that is a slice of a platform."""
    own = {"api": None, "security_group": None, "platform": "shared"} | (cloud or {})
    return environment(cloud=own, **{"network": None} | changed)


def platform(*tiers: str, cloud: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return the block of a platform."""
    return {
        "name": "shared",
        "tiers": list(tiers or ("experimentation", "testing")),
        "owner": "Platform team",
        "cost_centre": "CC-1",
        "cloud": block(**(cloud or {})),
        "network": {"cidr": "10.64.0.0/16"},
    } | changed


def lake(**changed: Any) -> dict[str, Any]:
    """Return the block of a lake."""
    return {
        "name": "shared",
        "tiers": ["experimentation", "testing"],
        "owner": "Data team",
        "cost_centre": "CC-2",
        "cloud": block(api=None, security_group=None, platform="shared"),
        "store": {"writers": ["data@example.org"]},
    } | changed
