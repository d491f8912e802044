"""What the conformance suite must be told of a cloud: how to declare something on it, and how it answers.

A cloud of this repository has a module `tests/conformance/clouds/<cloud>.py`; a cloud from elsewhere is tested by
`pytest tests/conformance --harness MODULE`. Either has a `harness`, as here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Set
from typing import Any, Protocol

from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs


class Harness(Protocol):
    """One cloud."""

    @property
    def cloud(self) -> str:
        """Its name, as registered under the entry point group `terrarium.clouds`."""

    @property
    def sdks(self) -> Set[str]:
        """The Pulumi SDKs that its stacks import, beside those of Kubernetes, random and, with a store, postgresql."""

    @property
    def offers(self) -> Set[str]:
        """What it makes: `clusters` (with networks and pools) or finds them; `store`s or none."""

    def block(self, tier: str, *, shared: bool = False) -> dict[str, Any]:
        """Return the settings of an environment beside project, name and tier: `cloud`, and what it needs besides.

        Args:
            tier: The tier.
            shared: Whether it is a slice of the platform `shared`.
        """

    def platform(self, tiers: list[str]) -> dict[str, Any]:
        """Return the same of a platform."""

    def made(self, args: MockResourceArgs) -> Mapping[str, Any]:
        """Return what the cloud computes of a resource, beside its inputs."""

    def answer(self, args: MockCallArgs) -> Mapping[str, Any]:
        """Return what the cloud answers when it is asked."""

    def replaces(self, kind: str, changed: str) -> bool:
        """Tell whether changing an input of a resource makes a new one in its place.

        Args:
            kind: The resource's type token.
            changed: The input, with dots between the parts of its path.
        """

    def named(self, kind: str) -> Set[str]:
        """Return the inputs that must be unlike any other's, in the cloud or in its cluster, of a type."""


def load(module: str) -> Harness:
    """Return the harness of a module."""
    found: Harness = importlib.import_module(module).harness
    return found
