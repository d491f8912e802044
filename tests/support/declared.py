"""Declarations that tests bring up: environments of each tier, and the store beside them."""

from __future__ import annotations

from typing import Any

from rehearsal.platform import Platform

PEOPLE = {
    "members": ["{project}-team"],
    "readers": ["security"],
    "automation": ["{project}-ci"],
    "promoters": ["{project}-leads"],
}
_WITHOUT = dict.fromkeys(("lifecycle", "encryption", "public_access_block"), "A test's own data")


def environment(project: str, name: str, tier: str, cloud: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return an environment's declaration.

    Args:
        project: The project; its groups are called after it.
        name: The environment's name.
        tier: Its tier.
        cloud: The block of the `kubernetes` cloud.
        more: Further keys.
    """
    people = {kind: [group.format(project=project) for group in groups] for kind, groups in PEOPLE.items()}
    if tier == "production":
        del people["members"]
    base = {"project": project, "name": name, "tier": tier, "cloud": {"kubernetes": cloud}, "people": people}
    return base | more


def with_store(platform: Platform, *, database: bool = True, shared: str | None = "shared") -> dict[str, Any]:
    """Return the block of the `kubernetes` cloud for an embedded platform, with its store.

    Args:
        platform: The embedded platform.
        database: Whether there is a database; a lake has none.
        shared: Name of the platform stack that it is a slice of; None for a cluster of its own.
    """
    store: dict[str, Any] = {"objects": {"profile": platform.context, "without": _WITHOUT}}
    if database:
        workloads = f"{platform.context}-workloads"
        store["database"] = {
            "service": platform.context,
            "workloads": workloads,
            "point_in_time": ["terrarium-database-at", platform.name],
        }
    return {"context": platform.context, "store": store} | ({"platform": shared} if shared else {})
