"""The backups that an environment has, and what of its store has had its days."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.stores import layout
from terrarium.backups import moments, versions
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import MANIFEST, VERSIONS, Item, Manifest, decode, listed
from terrarium.backups.versions import Version
from terrarium.errors import CommandFailed

# What is unfinished for so long was given up; a lifecycle rule of the store, where it has them, says the same.
_GIVEN_UP = timedelta(days=7)


def manifests(environment: Environment) -> list[Manifest]:
    """Return the environment's backups, oldest first."""
    return [found for _, found in _shelf(environment) if found is not None]


def at(environment: Environment, moment: datetime) -> Manifest | None:
    """Return the newest backup of a time or before; None if there is none."""
    before = [found for found in manifests(environment) if found.moment <= moment]
    return before[-1] if before else None


def items(environment: Environment, manifest: Manifest, kind: str) -> Iterator[Item]:
    """Yield the objects of one kind in a backup.

    Raises:
        CommandFailed: If its listing is missing or damaged.
    """
    kept = manifest.objects[kind]
    content = environment.objects.read(environment.backups, kept.listing)
    if content is None or hashlib.sha256(content).hexdigest() != kept.sha256:
        raise CommandFailed(f"{kept.listing} is missing or damaged; choose a time of another backup")
    yield from listed(content, kept.listing)


@dataclass
class Removed:
    """What was removed because it had had its days.

    Args:
        backups: Backups.
        versions: Versions of objects that were overwritten or deleted, and markers that hid nothing any more.
        scratch: Objects of scratch.
        uploads: Uploads that never ended.
    """

    backups: int = 0
    versions: int = 0
    scratch: int = 0
    uploads: int = 0

    def words(self) -> str:
        """Return it for people; empty if nothing was removed."""
        counted = {
            "old backups": self.backups,
            "old versions": self.versions,
            "old objects of scratch": self.scratch,
            "unfinished uploads": self.uploads,
        }
        return ", ".join(f"{count:,} {what}" for what, count in counted.items() if count)


def expire(environment: Environment, now: datetime) -> Removed:
    """Remove what has had its days from a store that does not do it by itself, and return what.

    A version that a kept backup names stays, however old: without it that backup could not be restored.

    Args:
        environment: Whose store; a backup of it must just have been taken.
        now: The present time.
    """
    store, objects = environment.settings.store, environment.objects
    removed = Removed()
    removed.backups = _expire_backups(environment, now - timedelta(days=store.recovery.keep_backups_days), now)
    for kind in (kind for kind in layout.KINDS if objects.versioned(environment.buckets[kind])):
        removed.versions += _expire_versions(environment, kind, now)
    scratch = environment.buckets[layout.SCRATCH]
    limit = now - timedelta(days=store.expire_scratch_days)
    removed.scratch = objects.delete(scratch, (found for found in objects.listed(scratch) if found.modified < limit))
    removed.uploads = sum(objects.abort_uploads(bucket, now - _GIVEN_UP) for bucket in environment.buckets.values())
    return removed


def _shelf(environment: Environment) -> Iterator[tuple[str, Manifest | None]]:
    """Yield each backup's name, oldest first, and its manifest if it is whole."""
    objects, bucket = environment.objects, environment.backups
    for name in sorted(objects.folders(bucket)):
        if moments.named(name) is None:
            continue
        content = objects.read(bucket, f"{name}/{MANIFEST}")
        yield name, None if content is None else decode(content, name)


def _expire_backups(environment: Environment, limit: datetime, now: datetime) -> int:
    objects, bucket, count = environment.objects, environment.backups, 0
    for name, manifest in list(_shelf(environment)):
        taken = moments.named(name) or now
        if taken >= (limit if manifest is not None else now - _GIVEN_UP):
            continue
        # First, so that a backup of which a part is gone is none.
        objects.delete(bucket, [Version(f"{name}/{MANIFEST}", "", taken, latest=True)])
        objects.delete(bucket, objects.listed(bucket, f"{name}/"))
        count += 1
    return count


def _expire_versions(environment: Environment, kind: str, now: datetime) -> int:
    objects, bucket = environment.objects, environment.buckets[kind]
    days = environment.settings.store.keep_versions_days
    found = {
        (version.key, version.id): version
        for _, history in objects.histories(bucket)
        for version in versions.expired(history, now, days)
    }
    # A version that was overwritten before the limit can only be in a backup that was taken before it.
    limit = now - timedelta(days=days)
    for manifest in manifests(environment) if found else ():
        kept = manifest.objects.get(kind)
        if kept is not None and kept.how == VERSIONS and manifest.moment < limit:
            for item in items(environment, manifest, kind):
                found.pop((item.key, item.version or ""), None)
    return objects.delete(bucket, found.values())
