"""Who uses a store, and with what: the same words whatever holds it, and none of any SDK of objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class Key:
    """What an identity reaches objects with.

    Args:
        files: Standard files, by name: `config`, and `credentials` where there are keys.
        service_account: The service account whose tokens the store takes in place of keys.
        told: What `store.json` says of it, beside where the objects are; nothing secret.
    """

    files: Mapping[str, pulumi.Output[str]]
    service_account: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
