"""Whose groups may use which identity of an environment's store; a cluster's rights and a cloud's both follow it."""

from __future__ import annotations

from collections.abc import Mapping

from components.contract import RO, RW
from components.settings.models import EnvironmentSettings
from components.stores import layout
from components.tiers import TIERS, StoreRight


def groups_of(settings: EnvironmentSettings) -> Mapping[str, list[str]]:
    """Return the groups that may use each identity, sorted: `rw`, `ro`, and one of each bucket.

    Args:
        settings: The environment; its tier says what each kind of group may do with the data.
    """
    whole: dict[str, set[str]] = {RW: set(), RO: set()}
    for kind, right in TIERS[settings.tier].store.items():
        named = getattr(settings.people, kind)
        whole[RO].update(named)
        if right is StoreRight.WRITE:
            whole[RW].update(named)
    of_buckets = {layout.bucket_identity(name): set(bucket.groups) for name, bucket in settings.buckets.items()}
    return {name: sorted(found) for name, found in (whole | of_buckets).items()}
