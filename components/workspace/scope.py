"""What every object of a workspace shares: where it lives, what labels it bears, under which provider it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs


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
