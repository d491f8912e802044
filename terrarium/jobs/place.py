"""Where a job runs: the environment as this person may see it, asked of the cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from components.tiers import Tier
from terrarium.client.environment import READ_WRITE, Environment
from terrarium.client.sources import InCluster, Published, Source
from terrarium.client.store import Store
from terrarium.errors import InvalidInput, Refused
from terrarium.inside.shelf import Shelf, StoreShelf
from terrarium.jobs.workloads import Workloads


class Place:
    """An environment to run jobs in.

    Args:
        source: Knows the way to it.
        bucket: The bucket whose jobs they are; None for the whole environment.

    Raises:
        InvalidInput: If this is a pod, or a mounted folder: nothing leads from there to the cluster.
    """

    def __init__(self, source: Source, bucket: str | None = None) -> None:
        if not isinstance(source, InCluster):
            raise InvalidInput(
                "jobs are run from outside: name the environment (`-e dev`, or terrarium.connect('dev')); a mounted "
                "folder of keys leads to its store alone"
            )
        self.source = source
        self.bucket = bucket
        """The bucket whose jobs they are."""

    @property
    def environment(self) -> str:
        """The environment's id."""
        return self.source.environment

    @property
    def root(self) -> Path | None:
        """The project's checkout; None outside of one."""
        return self.source.root

    @cached_property
    def _published(self) -> Published:
        return self.source.published()

    @property
    def annotations(self) -> Mapping[str, str]:
        """What is noted on the environment, as that it sleeps."""
        return self._published.annotations

    @cached_property
    def descriptor(self) -> Mapping[str, Any]:
        """What the environment publishes about itself.

        Raises:
            Refused: If this person has no right there.
            InvalidInput: If there is none.
        """
        found = self._published.descriptor
        if found.get("kind") != "environment":
            raise InvalidInput(f"{self.environment} is no environment: nothing runs there")
        store = found.get("store") or {}
        if self.bucket is not None and self.bucket not in store.get("buckets", ()):
            known = ", ".join(store.get("buckets", ())) or "none"
            raise InvalidInput(f"environment {self.environment} has no bucket `{self.bucket}`; it has: {known}")
        return found

    @property
    def tier(self) -> str:
        """The environment's tier."""
        return str(self.descriptor["tier"])

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return str(self.descriptor["namespace"])

    @property
    def variables(self) -> Mapping[str, str]:
        """Variables for programs that work for the environment, those of this process among them.

        Raises:
            Refused: If nothing names the tier's state and cluster (see `terrarium.site.site`).
        """
        from terrarium.site import site  # noqa: PLC0415 - for programs that are started here alone

        return os.environ if self.root is None else site(self.root, [Tier(self.tier)]).asking

    @cached_property
    def workloads(self) -> Workloads:
        """What runs there."""
        return Workloads(self.source.cluster, self.namespace)

    @cached_property
    def store(self) -> Store | None:
        """The store by this person's own right; None if there is none, or they have no right to it."""
        if not self.descriptor.get("store"):
            return None
        try:
            return Environment(self.source, READ_WRITE, self.bucket).store
        except Refused:
            return None

    def shelf(self) -> Shelf | None:
        """Return the results by this person's own right; None as for `store`."""
        return None if self.store is None else StoreShelf(self.store)
