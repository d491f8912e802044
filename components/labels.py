"""Labels that tell whose a thing is and who pays: on every object in a cluster, and as tags in a cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.settings.models import EnvironmentSettings

LABEL = "terrarium.dev"
"""Prefix of our labels, annotations and tags."""


def ownership_labels(
    *, owner_kind: str, owner: str, cost_centre: str, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the labels that tell whose an object is and who pays.

    Args:
        owner_kind: `environment`, `platform` or `lake`.
        owner: The environment's id, or the platform's or lake's name.
        cost_centre: Who pays.
        extra: Further labels, keys without our prefix.
    """
    labels = {
        "app.kubernetes.io/managed-by": "terrarium",
        f"{LABEL}/{owner_kind}": owner,
        f"{LABEL}/cost-centre": cost_centre,
    }
    return labels | {f"{LABEL}/{key}": value for key, value in (extra or {}).items()}


def environment_labels(settings: EnvironmentSettings) -> dict[str, str]:
    """Return the labels that everything of an environment bears."""
    return ownership_labels(
        owner_kind="environment",
        owner=settings.id,
        cost_centre=settings.cost_centre,
        extra={"project": settings.project, "tier": settings.tier.value},
    )
