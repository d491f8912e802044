"""A backup is taken: the database dumped, the current objects named or copied, and last the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from components.stores import layout
from terrarium.backups import database, moments, programs, versions
from terrarium.backups.database import Inventory
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import COPIES, DUMP, MANIFEST, VERSIONS, Database, Item, Kept, Manifest, listing
from terrarium.backups.objects import Objects, Poured
from terrarium.backups.parallel import at_once
from terrarium.backups.versions import OrderUnknown, Version
from terrarium.engine import Say
from terrarium.errors import CommandFailed

NOT_COVERED = {layout.SCRATCH: "scratch is never backed up: what is there can be made again"}
# Seconds between two sentences on one long task.
_PAUSE = 5.0


def progress(say: Say, sentence: str) -> Callable[[int], None]:
    """Return what takes a count and says it now and then.

    Args:
        say: Takes a sentence, for people.
        sentence: With `{}` for the count.
    """
    last = time.monotonic()

    def done(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            say(sentence.format(f"{count:,}"))

    return done


@dataclass(frozen=True)
class _Backup:
    environment: Environment
    name: str
    say: Say

    def key(self, *parts: str) -> str:
        return "/".join((self.name, *parts))


def take(environment: Environment, say: Say) -> Manifest:
    """Take a backup now, and return its manifest.

    Args:
        environment: Of which.
        say: Takes a sentence on what goes on, for people.

    Raises:
        CommandFailed: If a part fails; then there is no new backup, and the old ones are as they were.
    """
    dump = programs.find("pg_dump", environment.root, environment.server.major())
    objects = environment.objects
    with environment.server.connect() as connection, database.snapshot(connection) as snapshot:
        held = database.inventory(connection)
        backup = _Backup(environment, moments.name(held.time), say)
        say(f"backup {backup.name}: dumping database {environment.database} ({len(held.tables):,} tables)")
        command = [str(dump), "--format=custom", "--no-password", f"--snapshot={snapshot}"]
        done = progress(say, "database: {} MiB dumped")
        keywords = environment.server.keywords
        dumped = objects.pour(environment.backups, backup.key(DUMP), _counted(programs.output(command, keywords), done))
        major = connection.info.parameter_status("server_version") or ""
    kinds = [kind for kind in layout.KINDS if kind not in NOT_COVERED]
    manifest = Manifest(
        time=moments.written(held.time),
        environment=environment.id,
        uid=environment.uid,
        tier=environment.settings.tier.value,
        database=_database(environment, backup, dumped, held, major),
        objects={kind: _kind(backup, kind, held.time) for kind in kinds},
        not_covered=dict(NOT_COVERED),
    )
    objects.write(environment.backups, backup.key(MANIFEST), manifest.encode())
    return manifest


def objects_at(objects: Objects, bucket: str, moment: datetime) -> Iterator[Version]:
    """Yield the version of each object of a versioned bucket that was current at a time.

    Args:
        objects: The store.
        bucket: The bucket.
        moment: The time.
    """
    for key, history in objects.histories(bucket):
        try:
            found = versions.current(history, moment)
        except OrderUnknown:
            found = versions.first(objects.in_order(bucket, key), moment)
        if found is not None:
            yield found


def _counted(pieces: Iterator[bytes], done: Callable[[int], None]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        done(size >> 20)


def _database(environment: Environment, backup: _Backup, dumped: Poured, held: Inventory, version: str) -> Database:
    if held.large_objects:
        backup.say(
            f"{held.large_objects:,} large objects are dumped; `terrarium restore` brings none, `pg_restore` does"
        )
    return Database(
        name=environment.database,
        key=backup.key(DUMP),
        size=dumped.size,
        sha256=dumped.sha256,
        server_version=version,
        schemas=list(held.schemas),
        tables={name: dict(table) for name, table in held.tables.items()},
        extensions=dict(held.extensions),
        large_objects=held.large_objects,
    )


def _kind(backup: _Backup, kind: str, moment: datetime) -> Kept:
    environment, objects = backup.environment, backup.environment.objects
    bucket = environment.buckets[kind]
    versioned = objects.versioned(bucket)
    if versioned:
        found = objects_at(objects, bucket, moment)
        items: Iterator[Item] = (Item(v.key, v.size, v.etag, version=v.id) for v in found)
    else:
        items = iter(_copied(backup, kind, bucket))
    content, count, size = listing(items)
    key = backup.key(f"{kind}.jsonl.gz")
    poured = objects.write(environment.backups, key, content)
    backup.say(f"{kind}: {count:,} objects {'named by version' if versioned else 'copied'}")
    return Kept(VERSIONS if versioned else COPIES, bucket, key, poured.sha256, count, size)


def _copied(backup: _Backup, kind: str, bucket: str) -> list[Item]:
    """Copy a kind that keeps no versions. Each backup has all copies: shared ones would be as old as the first.

    Numbered, because a key may already be as long as a store allows.
    """
    objects, target = backup.environment.objects, backup.environment.backups
    found = {backup.key(kind, f"{number:09d}"): v for number, v in enumerate(objects.listed(bucket), 1)}

    def copy(pair: tuple[str, Version]) -> None:
        key, version = pair
        try:
            objects.copy(objects, bucket, version, target, key)
        except CommandFailed:
            # Deleted since it was listed: then it is no part of the backup. Anything else is a failure.
            if objects.exists(bucket, version.key):
                raise

    done = progress(backup.say, f"{kind}: {{}} of {len(found):,} objects copied")
    at_once(copy, found.items(), done)
    # As copied, not as listed: it may have been overwritten in between.
    copies = objects.listed(target, backup.key(kind, ""))
    return [Item(found[c.key].key, c.size, c.etag, copy=c.key) for c in copies]


def age(manifest: Manifest) -> float:
    """Return the age of a backup in seconds."""
    return (datetime.now(UTC) - manifest.moment).total_seconds()
