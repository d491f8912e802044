"""What every object of a workspace shares: where it lives, what labels it bears, under which provider it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

LABEL = "terrarium.dev"
"""Prefix of our labels and annotations."""


@dataclass(frozen=True)
class Scope:
    """Where objects are made.

    Args:
        name: Prefix of the logical names, the environment's id.
        namespace: The namespace, an Output of the Namespace resource, so that objects wait for it.
        labels: Labels that every object bears; cost is tracked by them.
        opts: Parent and provider of every object.
    """

    name: str
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]
    opts: pulumi.ResourceOptions

    def logical(self, part: str) -> str:
        """Return the logical name of a part; it never changes, or the engine would replace the object."""
        return f"{self.name}-{part}"

    def metadata(self, name: str, annotations: Mapping[str, str] | None = None) -> ObjectMetaArgs:
        """Return the metadata of an object in the namespace."""
        return ObjectMetaArgs(name=name, namespace=self.namespace, labels=self.labels, annotations=annotations)


def ownership_labels(
    *, owner_kind: str, owner: str, cost_centre: str, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the labels that tell whose an object is and who pays.

    Args:
        owner_kind: `environment` or `platform`.
        owner: The environment's id or the platform's name.
        cost_centre: Who pays.
        extra: Further labels, keys without our prefix.
    """
    labels = {
        "app.kubernetes.io/managed-by": "terrarium",
        f"{LABEL}/{owner_kind}": owner,
        f"{LABEL}/cost-centre": cost_centre,
    }
    return labels | {f"{LABEL}/{key}": value for key, value in (extra or {}).items()}
