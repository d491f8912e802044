"""Who uses a store, and with what: the same words whatever holds it, and none of any SDK of objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.contract import RO, RW
from components.stores import layout

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True)
class Who:
    """One identity of a store, before it has keys.

    Args:
        name: `rw`, `ro` or `bucket-<bucket>`.
        bucket: The bucket that it is limited to; None for the whole store.
        writes: Whether it may change anything.
    """

    name: str
    bucket: str | None = None
    writes: bool = True


def everybody(buckets: Iterable[str]) -> list[Who]:
    """Return the identities of an environment's store: its two own, then one of each bucket, sorted.

    Args:
        buckets: Names of the buckets.
    """
    return [Who(RW), Who(RO, writes=False), *(Who(layout.bucket_identity(name), name) for name in sorted(buckets))]


@dataclass(frozen=True)
class Key:
    """What an identity reaches objects with.

    Args:
        files: Standard files, by name: `config`, and `credentials` where there are keys.
        service_account: The service account whose tokens the store takes in place of keys.
        told: What `store.json` says of it, beside where the objects are; nothing secret.
        audience: What a pod has a token made for; None where it is not the pod that has it made.
    """

    files: Mapping[str, pulumi.Output[str]]
    service_account: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    audience: str | None = None
