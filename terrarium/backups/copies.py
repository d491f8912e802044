"""Objects as of a time are brought into another environment's buckets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from terrarium.backups import shelf
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import Manifest
from terrarium.backups.parallel import at_once
from terrarium.backups.progress import progress
from terrarium.backups.taking import objects_at
from terrarium.backups.versions import Version
from terrarium.engine import Say
from terrarium.errors import CommandFailed

# The MD5 of the content; of an upload in parts it is something else, and a copy's differs.
_PLAIN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to bring.

    Args:
        bucket: Where it is.
        version: Which it is there.
        key: Its key in the target.
    """

    bucket: str
    version: Version
    key: str


def of_time(environment: Environment, kind: str, moment: datetime) -> Iterator[Wanted]:
    """Yield the objects of a versioned kind as they were at a time."""
    bucket = environment.buckets[kind]
    for version in objects_at(environment.objects, bucket, moment):
        yield Wanted(bucket, version, version.key)


def of_backup(environment: Environment, kind: str, manifest: Manifest) -> Iterator[Wanted]:
    """Yield the objects of a kind as a backup has them."""
    bucket = manifest.objects[kind].bucket
    for item in shelf.items(environment, manifest, kind):
        key, place = (item.copy, environment.backups) if item.copy else (item.key, bucket)
        version = Version(key, item.version or "", manifest.moment, latest=False, size=item.size, etag=item.etag)
        yield Wanted(place, version, item.key)


def bring(source: Environment, target: Environment, kind: str, wanted: Iterable[Wanted], say: Say) -> dict[str, int]:
    """Copy what is not there yet, compare all of it, and return how many objects and bytes there are.

    Args:
        source: Whose objects.
        target: The environment that takes them.
        kind: Their kind.
        wanted: The objects.
        say: Takes a sentence on what goes on, for people.

    Raises:
        CommandFailed: If a copy fails, or something is not there in the end.
    """
    say(f"{kind}: looking for what there is to bring")
    bucket, everything = target.buckets[kind], list(wanted)
    there = {found.key: found for found in target.objects.listed(bucket)}
    missing = [item for item in everything if not _same(item.version, there.get(item.key))]

    def copy(item: Wanted) -> None:
        target.objects.copy(source.objects, item.bucket, item.version, bucket, item.key)

    if missing:
        say(f"{kind}: {len(missing):,} objects")
        at_once(copy, missing, progress(say, f"{kind}: {{}} of {len(missing):,} objects"))
        there = {found.key: found for found in target.objects.listed(bucket)}
    different = [item.key for item in everything if not _same(item.version, there.get(item.key))]
    if different:
        raise CommandFailed(
            f"{len(different):,} objects of {kind} are not in bucket {bucket} as they should be, {different[0]} first; "
            "run the same command again"
        )
    return {"objects": len(everything), "bytes": sum(item.version.size for item in everything)}


def _same(wanted: Version, found: Version | None) -> bool:
    if found is None or found.size != wanted.size:
        return False
    comparable = _PLAIN.fullmatch(found.etag) and _PLAIN.fullmatch(wanted.etag)
    return not comparable or found.etag == wanted.etag
