"""An environment whose store is a dictionary."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from components.settings.store import RecoverySettings, StoreSettings
from components.stores import layout
from terrarium.backups import moments
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import VERSIONS, Database, Inventory, Item, Kept, Manifest, listing
from terrarium.backups.objects import Objects, Poured
from terrarium.backups.versions import Version

STORE = StoreSettings(
    versioned=True,
    keep_versions_days=7,
    expire_scratch_days=14,
    protected=False,
    recovery=RecoverySettings(rpo_minutes=60, rto_minutes=60, keep_backups_days=30),
)


@dataclass
class Fake(Objects):
    """A store in memory.

    Args:
        content: What stands under each bucket and key.
        history: The versions of a bucket's objects.
        deleted: Versions that were deleted.
    """

    content: dict[tuple[str, str], bytes] = field(default_factory=dict)
    history: dict[str, list[Version]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def now(self, bucket: str) -> datetime:  # noqa: ARG002 - it has one clock
        return moments.parse("2026-11-21T13:00:00Z")

    def versioned(self, bucket: str) -> bool:  # noqa: ARG002 - all are
        return True

    def histories(self, bucket: str) -> Iterator[tuple[str, list[Version]]]:
        found = self.history.get(bucket, [])
        yield from ((key, [v for v in found if v.key == key]) for key in sorted({v.key for v in found}))

    def listed(self, bucket: str, prefix: str = "") -> Iterator[Version]:
        keys = [key for where, key in self.content if where == bucket and key.startswith(prefix)]
        yield from (Version(key, "", moments.parse("2026-11-21T12:00:00Z"), latest=True) for key in keys)

    def folders(self, bucket: str) -> list[str]:
        return sorted({key.split("/")[0] for where, key in self.content if where == bucket and "/" in key})

    def read(self, bucket: str, key: str) -> bytes | None:
        return self.content.get((bucket, key))

    def write(self, bucket: str, key: str, content: bytes) -> Poured:
        self.content[bucket, key] = content
        return Poured(len(content), "")

    def delete(self, bucket: str, found: Iterable[Version]) -> int:
        gone = list(found)
        for version in gone:
            self.content.pop((bucket, version.key), None)
            self.deleted.extend([version.id] if version.id else [])
        return len(gone)

    def abort_uploads(self, bucket: str, before: datetime) -> int:  # noqa: ARG002 - there are none
        return 0


def environment(name: str = "dev") -> tuple[Environment, Fake]:
    """Return an environment that is not there, and its store."""
    settings = SimpleNamespace(id=f"churn-{name}", store=STORE, tier=SimpleNamespace(value="testing"), buckets={})
    declared: Any = SimpleNamespace(settings=settings, stack=name)
    # Nobody listens there: a database that is down.
    keywords = {"host": "127.0.0.1", "port": "9"}
    administration: Any = SimpleNamespace(point_in_time=(), database=keywords)
    buckets = {kind: kind for kind in (*layout.KINDS, layout.BACKUPS)}
    found, store = Environment(declared, f"uid-{name}", None, buckets, "db", administration), Fake()
    found.__dict__["objects"] = store
    return found, store


def manifest(moment: datetime) -> Manifest:
    """Return that of a backup of nothing."""
    database = Database("d", "16.1", Inventory(["public"], {"t": {"rows": 1, "checksum": "0"}}, {}, 0, {}), {})
    return Manifest(moments.written(moment), "churn-dev", "uid", "experimentation", database, {}, {})


def shelve(found: Environment, moment: datetime, items: Iterable[Item] = ()) -> str:
    """Put a backup on the shelf that names versions of datasets, and return its name."""
    name, (content, count, size) = moments.name(moment), listing(items)
    key = f"{name}/datasets.jsonl.gz"
    found.objects.write(layout.BACKUPS, key, content)
    kept = Kept(VERSIONS, "datasets", key, hashlib.sha256(content).hexdigest(), count, size)
    whole = replace(manifest(moment), objects={"datasets": kept})
    found.objects.write(layout.BACKUPS, f"{name}/manifest.json", whole.encode())
    return name
