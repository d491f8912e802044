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
from terrarium.backups.database import Server
from terrarium.backups.environments import Environment
from terrarium.backups.manifest import Inventory, Manifest
from terrarium.backups.progress import progress
from terrarium.engine import Say
from terrarium.errors import CommandFailed, Refused

MINUTE = 60.0


@dataclass(frozen=True)
class Rows:
    """A database as of a time.

    Args:
        held: What it holds.
        dump: Yields the dump of a schema in PostgreSQL's custom format.
        from_: Where it comes from, for people.
    """

    held: Inventory
    dump: Callable[[str], Iterator[bytes]]
    from_: str


@contextmanager
def of_backup(environment: Environment, manifest: Manifest) -> Iterator[Rows]:
    """Give the database as a backup has it."""

    def dump(schema: str) -> Iterator[bytes]:
        kept, digest = manifest.database.dumps[schema], hashlib.sha256()
        try:
            for piece in environment.objects.stream(environment.backups, kept.key):
                digest.update(piece)
                yield piece
        except FileNotFoundError:
            raise CommandFailed(f"{kept.key} is missing; choose a time of another backup") from None
        if digest.hexdigest() != kept.sha256:
            raise CommandFailed(
                f"{kept.key} is damaged; its schema counts as not restored. Choose a time of another backup"
            )

    yield Rows(manifest.database.held, dump, f"backup of {manifest.time}")


@contextmanager
def of_time(environment: Environment, moment: datetime, say: Say) -> Iterator[Rows]:
    """Give the database as it was at a time, from a copy of its server.

    Args:
        environment: Whose.
        moment: The time.
        say: Takes a sentence on what goes on, for people.
    """
    command, root = environment.administration.point_in_time, environment.root
    limit = environment.settings.store.recovery.rto_minutes * MINUTE
    say(f"database: {command[0]} makes a copy of the server as of {moments.written(moment)}")
    with point_in_time.serving(command, moment, environment.database, root, limit) as server:
        program = programs.find("pg_dump", root, server.major())
        with server.connect() as connection:
            held = database.inventory(connection, say)

        def dump(schema: str) -> Iterator[bytes]:
            arguments = [str(program), "--format=custom", "--no-password", database.only(schema)]
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
    if used := crossing(rows.held):
        raise Refused(
            f"{'; '.join(used)}: each bucket's schema is restored by itself, with that bucket's rights. Choose a time "
            "at which nothing of a bucket used another schema, or restore by hand (docs/store-recovery.md)"
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
            done_so_far = progress(say, f"database: {{}} MiB of schema {schema} read")
            _bring_schema(program, schema, role, server, programs.counted(rows.dump(schema), done_so_far))
            now_done(schema)


def _bring_schema(program: Path, schema: str, role: str, server: Server, pieces: Iterator[bytes]) -> None:
    rights = ["--no-owner", "--no-acl", f"--role={role}", f"--schema={schema}"]
    whole = ["--single-transaction", "--exit-on-error", "--no-password"]
    place = f"--dbname={server.keywords['dbname']}"
    programs.feed([program, *rights, *whole, place], server.keywords, pieces)


def crossing(held: Inventory) -> list[str]:
    """Return, for people, what of a bucket's schema needs another schema: a view, or a foreign key.

    A bucket's role has no rights there. What of the environment's own schema needs a bucket's is no such thing: it is
    restored last, by a role that has them all.
    """
    return [
        f"{what} uses schema {other}"
        for schema, others in held.uses.items()
        if schema != layout.PUBLIC
        for other, what in others.items()
    ]


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
