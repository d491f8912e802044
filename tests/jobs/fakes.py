"""An environment that is asked of nobody: its descriptor is given, its store is a folder's, its rights are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrarium.client.connection import Connection
from terrarium.client.sources import Folder, InCluster, Published
from terrarium.errors import Refused
from terrarium.jobs.place import Place
from terrarium.jobs.workloads import Workloads

TIERS = {"churn-test": "testing", "churn-prod": "production", "fraud-dev": "experimentation"}


class Known(InCluster):
    """A source that knows what it is told.

    Args:
        descriptor: The environment's.
        folder: Files of the identity that this person may use; None for none.
    """

    def __init__(self, descriptor: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(str(descriptor["id"]), {"context": "nowhere"}, "/no/kubeconfig")
        self._said = dict(descriptor)
        self._store = folder

    def published(self) -> Published:
        return Published(self._said, {})

    def connection(self, bucket: str | None, wanted: Sequence[str]) -> Connection:
        if self._store is None:
            raise Refused("you may not use the store")
        found = Folder(self._store).connection(None, wanted)
        return found if bucket is None else found.narrowed(bucket)


class Rights(Workloads):
    """A namespace in which this person may do some things, and nothing is made."""

    def __init__(self, *may: str) -> None:
        self._may = may
        self.made: list[Mapping[str, Any]] = []

    def may(self, verb: str, group: str, resource: str) -> bool:
        del group
        return f"{verb} {resource}" in self._may

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self.made.append(manifest)
        return dict(manifest)

    def schedule(self, name: str) -> dict[str, Any] | None:
        found = [one for one in self.made if one["metadata"]["name"] == name]
        return dict(found[0]) if found else None


def place(
    descriptor: Mapping[str, Any], rights: Rights, folder: Path | None = None, bucket: str | None = None
) -> Place:
    """Return a place of which everything is given."""
    found = Place(Known(descriptor, folder), bucket)
    found.__dict__["workloads"] = rights
    return found


def tier_of(_: Place, environment: str) -> str | None:
    """Return the tier of another environment of these tests."""
    return TIERS.get(environment)


def never(*_: object, **__: object) -> str:
    """Fail a test in which an image is built too early."""
    raise AssertionError("an image was built before all was looked at")
