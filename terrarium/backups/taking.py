"""A backup is taken: the database dumped, the current objects named or copied, and last the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from components.stores import layout
from terrarium.backups import database, moments, programs, rows, versions
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import (
    COPIES,
    MANIFEST,
    VERSIONS,
    Database,
    Dump,
    Inventory,
    Item,
    Kept,
    Manifest,
    listing,
)
from terrarium.backups.objects import Objects
from terrarium.backups.parallel import at_once
from terrarium.backups.progress import progress
from terrarium.backups.versions import OrderUnknown, Version
from terrarium.engine import Say
from terrarium.errors import CommandFailed

NOT_COVERED = {layout.SCRATCH: "scratch is never backed up: what is there can be made again"}


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
    program = programs.find("pg_dump", environment.root, environment.server.major())
    with environment.server.connect() as connection, database.snapshot(connection) as snapshot:
        moment = database.now(connection)
        backup = _Backup(environment, moments.name(moment), say)
        say(f"backup {backup.name}: summing up the tables of database {environment.database}")
        held = database.inventory(connection, say)
        dumps = dict(_dumps(backup, held, [str(program), f"--snapshot={snapshot}"]))
        version = connection.info.parameter_status("server_version") or ""
    kinds = [kind for kind in layout.KINDS if kind not in NOT_COVERED]
    manifest = Manifest(
        time=moments.written(moment),
        environment=environment.id,
        uid=environment.uid,
        tier=environment.settings.tier.value,
        database=Database(environment.database, version, held, dumps),
        objects={kind: _kind(backup, kind, moment) for kind in kinds},
        not_covered=NOT_COVERED | _left_out(held),
    )
    environment.objects.write(environment.backups, backup.key(MANIFEST), manifest.encode())
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


def _dumps(backup: _Backup, held: Inventory, dump: list[str]) -> Iterator[tuple[str, Dump]]:
    """Dump each schema by itself: a restore reads each once, and has it whole before it is committed."""
    environment = backup.environment
    large = [layout.PUBLIC] if held.large_objects else []  # they stand in no schema
    for schema in dict.fromkeys([*held.schemas, *large]):
        backup.say(f"database: dumping schema {schema}")
        command = [*dump, "--format=custom", "--no-password", database.only(schema)]
        if schema in large:
            command.append("-b")
        pieces = programs.output(command, environment.server.keywords)
        done = progress(backup.say, f"database: {{}} MiB of schema {schema} dumped")
        key = backup.key("database", f"{quote(schema, safe='')}.dump")
        poured = environment.objects.pour(environment.backups, key, programs.counted(pieces, done))
        yield schema, Dump(key, poured.size, poured.sha256)


def _left_out(held: Inventory) -> dict[str, str]:
    """Return what of a database is in its dumps and is not restored, and why."""
    left = {}
    if held.large_objects:
        left["large objects"] = (
            f"{held.large_objects:,} are dumped; `pg_restore` brings them, `terrarium restore` does not"
        )
    if crossing := rows.crossing(held):
        left["restore"] = f"it would be refused: {'; '.join(crossing)}"
    return left


def _kind(backup: _Backup, kind: str, moment: datetime) -> Kept:
    environment, objects = backup.environment, backup.environment.objects
    bucket = environment.buckets[kind]
    versioned = objects.versioned(bucket)
    backup.say(f"{kind}: listing the objects")
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
