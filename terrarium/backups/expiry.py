"""What of an environment's store has had its days goes, where the store does not do it by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from components.stores import layout
from terrarium.backups import moments, shelf, versions
from terrarium.backups.choice import MARGIN
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import MANIFEST, VERSIONS
from terrarium.backups.versions import Version
from terrarium.engine import Say
from terrarium.errors import CommandFailed

# What is unfinished for so long was given up; a lifecycle rule of the store, where it has them, says the same.
_GIVEN_UP = timedelta(days=7)


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


def expire(environment: Environment, now: datetime, say: Say) -> Removed:
    """Remove what has had its days, and return what.

    A version that a kept backup names stays, however old: without it that backup could not be restored.

    Args:
        environment: Whose store; a backup of it must just have been taken.
        now: The present time.
        say: Takes a sentence on what goes on, for people.
    """
    store, objects = environment.settings.store, environment.objects
    removed = Removed()
    removed.backups = _backups(environment, now - timedelta(days=store.recovery.keep_backups_days), now)
    for kind in (kind for kind in layout.KINDS if objects.versioned(environment.buckets[kind])):
        say(f"{kind}: looking for versions that have had their days")
        removed.versions += _versions(environment, kind, now, say)
    scratch = environment.buckets[layout.SCRATCH]
    limit = now - timedelta(days=store.expire_scratch_days)
    removed.scratch = objects.delete(scratch, (found for found in objects.listed(scratch) if found.modified < limit))
    removed.uploads = sum(objects.abort_uploads(bucket, now - _GIVEN_UP) for bucket in environment.buckets.values())
    return removed


def _backups(environment: Environment, limit: datetime, now: datetime) -> int:
    objects, bucket, count = environment.objects, environment.backups, 0
    for name in shelf.names(environment):
        taken = moments.named(name) or now
        try:
            whole = shelf.read(environment, name) is not None
        except CommandFailed:
            continue  # a later program's may be good: a person decides
        if taken >= (limit if whole else now - _GIVEN_UP):
            continue
        # First, so that a backup of which a part is gone is none.
        objects.delete(bucket, [Version(f"{name}/{MANIFEST}", "", taken, latest=True)])
        objects.delete(bucket, objects.listed(bucket, f"{name}/"))
        count += 1
    return count


def _versions(environment: Environment, kind: str, now: datetime, say: Say) -> int:
    objects, bucket = environment.objects, environment.buckets[kind]
    # Longer than a restore may begin to read them: it has so long to end.
    kept_for = timedelta(days=environment.settings.store.keep_versions_days) + MARGIN
    found = {
        (version.key, version.id): version
        for _, history in objects.histories(bucket)
        for version in versions.expired(history, now, kept_for)
    }
    try:
        named = _named(environment, kind, now - kept_for) if found else set()
    except CommandFailed as error:
        say(f"{kind}: no version was removed, an old backup may need it: {error}. Repair that backup or delete it")
        return 0
    return objects.delete(bucket, (version for place, version in found.items() if place not in named))


def _named(environment: Environment, kind: str, limit: datetime) -> set[tuple[str, str]]:
    """Return the versions that backups name, of a time before a limit: others can't hold one that was replaced then.

    Raises:
        CommandFailed: If one of these backups can't be read, so that nobody knows what it names.
    """
    named = set[tuple[str, str]]()
    for name in shelf.names(environment):
        if (moments.named(name) or limit) >= limit:
            continue
        manifest = shelf.read(environment, name)
        kept = manifest.objects.get(kind) if manifest is not None else None
        if manifest is not None and kept is not None and kept.how == VERSIONS:
            named.update((item.key, item.version or "") for item in shelf.items(environment, manifest, kind))
    return named
