"""A database's schemas are brought into another's, each owned by its new role."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.stores import layout
from terrarium.backups import database, moments, point_in_time, programs
from terrarium.backups.database import Inventory, Server
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import Manifest
from terrarium.engine import Say
from terrarium.errors import CommandFailed, Refused

MINUTE = 60.0


@dataclass(frozen=True)
class Rows:
    """A database as of a time.

    Args:
        held: What it holds.
        dump: Yields a dump in PostgreSQL's custom format that has the given schema.
        from_: Where it comes from, for people.
    """

    held: Inventory
    dump: Callable[[str], Iterator[bytes]]
    from_: str


@contextmanager
def of_backup(environment: Environment, manifest: Manifest) -> Iterator[Rows]:
    """Give the database as a backup has it."""
    kept = manifest.database
    held = Inventory(manifest.moment, kept.schemas, kept.tables, kept.extensions, kept.large_objects)

    def dump(_: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        try:
            for piece in environment.objects.stream(environment.backups, kept.key):
                digest.update(piece)
                yield piece
        except FileNotFoundError:
            raise CommandFailed(f"{kept.key} is missing; choose a time of another backup") from None
        if digest.hexdigest() != kept.sha256:
            raise CommandFailed(f"{kept.key} is damaged; nothing of it was kept. Choose a time of another backup")

    yield Rows(held, dump, f"backup of {manifest.time}")


@contextmanager
def of_time(environment: Environment, moment: datetime) -> Iterator[Rows]:
    """Give the database as it was at a time, from a copy of its server."""
    command, root = environment.administration.point_in_time, environment.root
    limit = environment.settings.store.recovery.rto_minutes * MINUTE
    with point_in_time.serving(command, moment, environment.database, root, limit) as server:
        program = programs.find("pg_dump", root, server.major())
        with server.connect() as connection:
            held = database.inventory(connection)

        def dump(schema: str) -> Iterator[bytes]:
            arguments = [str(program), "--format=custom", "--no-password", f'--schema="{schema}"']
            # Nothing is gained by compressing what is unpacked on the same machine.
            return programs.output([*arguments, "--compress=0"], server.keywords)

        yield Rows(held, dump, f"the server's log up to {moments.written(moment)}")


def bring(rows: Rows, target: Environment, done: Sequence[str], now_done: Callable[[str], None], say: Say) -> None:
    """Restore what is not done yet, each schema as one transaction.

    Args:
        rows: The database to bring.
        target: The environment whose database takes it.
        done: Schemas that are there already.
        now_done: Takes each schema as soon as it is there.
        say: Takes a sentence on what goes on, for people.

    Raises:
        Refused: If a schema has no bucket in the target.
        CommandFailed: If it fails; the schema at work is as it was.
    """
    strangers = sorted(set(rows.held.schemas) - set(target.schemas))
    if strangers:
        raise Refused(
            f"the database has {', '.join(strangers)}, and {target.declared.stack} declares no bucket that has such a "
            "schema; declare the same buckets there"
        )
    if rows.held.large_objects:
        say(f"{rows.held.large_objects:,} large objects are not restored; tables are (docs/store-recovery.md)")
    program = programs.find("pg_restore", target.root, target.server.major())
    login = layout.role(target.id, target.uid, "restore")
    with target.server.connect() as connection:
        database.add_extensions(connection, rows.held.extensions)
    with database.restorer(target.server, login, list(target.schemas.values())) as server:
        for schema, role in target.schemas.items():
            if schema in done or schema not in rows.held.schemas:
                continue
            say(f"database: schema {schema}, from {rows.from_}")
            with target.server.connect() as connection:
                # Of a restore that was killed after its transaction, and before it could say so.
                database.clear(connection, schema)
            _bring_schema(program, schema, role, server, rows.dump(schema))
            now_done(schema)


def _bring_schema(program: Path, schema: str, role: str, server: Server, pieces: Iterator[bytes]) -> None:
    rights = ["--no-owner", "--no-acl", f"--role={role}", f"--schema={schema}"]
    whole = ["--single-transaction", "--exit-on-error", "--no-password"]
    place = f"--dbname={server.keywords['dbname']}"
    programs.feed([program, *rights, *whole, place], server.keywords, pieces)


def differences(wanted: Inventory, found: Inventory) -> list[str]:
    """Return in what a restored database is not the one that was to be restored; empty if it is."""
    said = []
    for name, table in wanted.tables.items():
        there = found.tables.get(name)
        if there is None:
            said.append(f"table {name} is missing")
        elif there["rows"] != table["rows"]:
            said.append(f"table {name} has {there['rows']:,} rows instead of {table['rows']:,}")
        elif there["checksum"] != table["checksum"]:
            said.append(f"table {name} has other rows")
    return said
