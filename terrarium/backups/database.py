"""An environment's database: what it holds, dumped and restored; by the administrator's login."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from terrarium import sizes
from terrarium.backups.manifest import Inventory
from terrarium.backups.objective import Archiving
from terrarium.backups.progress import progress
from terrarium.engine import Say
from terrarium.errors import CommandFailed, Refused

# PostgreSQL's own functions only: what a user made under the same name would run with the administrator's rights.
# The rest: one value is one text, wherever it is read.
_OPTIONS = "-c search_path=pg_catalog -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex"
_CONNECT_SECONDS = "15"
# What stands in a schema itself; the rest goes with a table or type. Not what belongs to an extension.
_CONTENTS: LiteralString = """
    SELECT n.nspname, i.type, i.identity
    FROM pg_depend d
    JOIN pg_namespace n ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
    CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
    WHERE d.deptype = 'n' AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass,
            'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass, 'pg_collation'::regclass,
            'pg_conversion'::regclass, 'pg_statistic_ext'::regclass, 'pg_ts_config'::regclass, 'pg_ts_dict'::regclass)
        AND n.nspname !~ '^(pg_|information_schema$)'
        AND NOT EXISTS (SELECT FROM pg_depend e
            WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
    ORDER BY 1, 2, 3"""
_TABLES: LiteralString = """
    SELECT n.nspname, c.relname, pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^(pg_|information_schema$)'
        AND NOT EXISTS (SELECT FROM pg_depend e
            WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    ORDER BY 1, 2"""
# The text of a row by its type's own output: a cast to text could be a user's function. The sum has no order.
_SUMMED: LiteralString = "SELECT count(*), sum(hashtextextended(textin(record_out(t)), 0))::text FROM ONLY {}.{} AS t"
# What in one schema needs something in another: a view, a foreign key, a default, a type. What a rule, a constraint or
# a trigger needs, its table needs; extensions are there before any schema. 16384: what is below is PostgreSQL's own.
_USES: LiteralString = """
    SELECT DISTINCT ON (1, 2) own.schema, other.schema, own.type || ' ' || own.identity
    FROM pg_depend d
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    CROSS JOIN LATERAL (SELECT coalesce(r.ev_class, nullif(k.conrelid, 0), a.adrelid, t.tgrelid, p.polrelid)) o (rel)
    CROSS JOIN LATERAL pg_identify_object(
        CASE WHEN o.rel IS NULL THEN d.classid ELSE 'pg_class'::regclass END, coalesce(o.rel, d.objid), 0) own
    CROSS JOIN LATERAL pg_identify_object(d.refclassid, d.refobjid, 0) other
    WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND own.schema <> other.schema
        AND own.schema !~ '^pg_' AND other.schema !~ '^pg_'
        AND NOT EXISTS (SELECT FROM pg_depend e
            WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e')
    ORDER BY 1, 2, 3"""
_ARCHIVING: LiteralString = """
    SELECT current_setting('archive_mode') <> 'off',
        (SELECT setting::int FROM pg_settings WHERE name = 'archive_timeout'),
        last_archived_time, last_failed_time, now(),
        (SELECT min(modification) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')
    FROM pg_stat_archiver"""
_LARGE = 1 << 30  # bytes from which on one table takes so long that it is named
_LOCK = 0x7465_7272  # one number for all restores: advisory locks are the database's own


@dataclass(frozen=True)
class Server:
    """A database of a PostgreSQL server.

    Args:
        keywords: libpq's, `dbname` being the database.
    """

    keywords: Mapping[str, str]

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Give a connection on which every statement is its own transaction.

        Raises:
            CommandFailed: If the server is not reached, or a statement fails; no password is in the message.
        """
        options = " ".join(filter(None, (self.keywords.get("options"), _OPTIONS)))
        parameters: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, **self.keywords, "options": options}
        try:
            with psycopg.connect(**parameters, autocommit=True) as connection:
                yield connection
        except psycopg.Error as error:
            said = error.diag.message_primary or str(error).strip().splitlines()[0]
            where = f"{self.keywords.get('host')}:{self.keywords.get('port')}/{self.keywords['dbname']}"
            raise CommandFailed(f"database {where}: {said}") from None

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        with self.connect() as connection:
            return now(connection)

    def archiving(self) -> Archiving | None:
        """Return how the server's log is archived; None if it does not say: not all show it to everybody."""
        try:
            with self.connect() as connection:
                return Archiving(*connection.execute(_ARCHIVING).fetchall()[0])
        except CommandFailed:
            return None

    def major(self) -> int:
        """Return the server's major version."""
        with self.connect() as connection:
            return connection.info.server_version // 10_000


@contextmanager
def snapshot(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[str]:
    """Give the name of a state of the database that stays as it is while others write; pg_dump reads it by name."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield _one(connection, "SELECT pg_export_snapshot()")
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("ROLLBACK")


def now(connection: psycopg.Connection[tuple[Any, ...]]) -> datetime:
    """Return the time by the server's clock; within a transaction, when it began."""
    found: datetime = _one(connection, "SELECT now()")
    return found.astimezone(UTC)


def inventory(connection: psycopg.Connection[tuple[Any, ...]], say: Say) -> Inventory:
    """Return what a database holds; reads every table.

    Args:
        connection: The database.
        say: Takes a sentence now and then, and before each large table, for people.
    """
    tables: dict[str, dict[str, Any]] = {}
    found = connection.execute(_TABLES).fetchall()
    done = progress(say, f"database: {{}} of {len(found):,} tables summed up")
    for schema, name, size in found:
        if size >= _LARGE:
            say(f"database: summing up {_quoted(schema)}.{_quoted(name)} ({sizes.size(size)})")
        quoted = sql.SQL(_SUMMED).format(sql.Identifier(schema), sql.Identifier(name))
        rows, checksum = connection.execute(quoted).fetchall()[0]
        tables[f"{_quoted(schema)}.{_quoted(name)}"] = {"rows": rows, "checksum": checksum or "0"}
        done(len(tables))
    extensions = connection.execute(
        "SELECT extname, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
        "WHERE extname <> 'plpgsql'"
    )
    uses: dict[str, dict[str, str]] = {}
    for schema, other, what in connection.execute(_USES).fetchall():
        uses.setdefault(schema, {})[other] = what
    return Inventory(
        schemas=sorted(contents(connection)),
        tables=tables,
        extensions=dict(extensions.fetchall()),
        large_objects=_one(connection, "SELECT count(*) FROM pg_largeobject_metadata"),
        uses=uses,
    )


def contents(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, list[tuple[str, str]]]:
    """Return kind and quoted name of what stands in each schema that is not empty."""
    found: dict[str, list[tuple[str, str]]] = {}
    for schema, kind, identity in connection.execute(_CONTENTS).fetchall():
        found.setdefault(schema, []).append((kind, identity))
    return found


def clear(connection: psycopg.Connection[tuple[Any, ...]], schema: str) -> None:
    """Drop everything in a schema, and not the schema: it is Pulumi's, with its rights."""
    with connection.transaction():
        for kind, identity in contents(connection).get(schema, ()):
            # Both are PostgreSQL's own words, quoted by it. What went with something before it is gone already.
            command = f"DROP {kind.upper()} IF EXISTS {identity} CASCADE"
            connection.execute(command.encode())


@contextmanager
def alone(server: Server) -> Iterator[None]:
    """Keep other restores out of a database for as long as this process lives.

    Raises:
        Refused: If one is at work.
    """
    with server.connect() as connection:
        if not _one(connection, f"SELECT pg_try_advisory_lock({_LOCK})"):
            raise Refused(f"another restore into database {server.keywords['dbname']} is at work; wait for its end")
        yield


@contextmanager
def restorer(server: Server, name: str, roles: Sequence[str]) -> Iterator[Server]:
    """Give a login that may do what these roles may, and nothing else.

    A dump holds users' functions, and indexes and checks call them: with the administrator's login, they would have
    the administrator's rights (`RESET ROLE` undoes `--role`).

    Args:
        server: The database, by the administrator's login.
        name: The login's name; what a killed restore left of it is removed first.
        roles: The roles that will own what is restored.
    """
    password = secrets.token_urlsafe(30)
    with server.connect() as connection:
        _drop_login(connection, name)
        role = sql.Identifier(name)
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} VALID UNTIL {}")
        until = _one(connection, "SELECT (now() + interval '7 days')::text")
        connection.execute(create.format(role, sql.Literal(password), sql.Literal(until)))
        try:
            groups = sql.SQL(", ").join(map(sql.Identifier, roles))
            connection.execute(sql.SQL("GRANT {} TO {}").format(groups, role))
            yield Server({**server.keywords, "user": name, "password": password})
        finally:
            if not connection.broken:
                _drop_login(connection, name)


def _drop_login(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    # A pg_restore that outlived a killed restore would still write.
    connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s", (name,))
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def add_extensions(connection: psycopg.Connection[tuple[Any, ...]], extensions: Mapping[str, str]) -> None:
    """Make the extensions that are missing: what is restored uses their types, and only an administrator may."""
    for name, schema in extensions.items():
        command = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}")
        connection.execute(command.format(sql.Identifier(name), sql.Identifier(schema)))


def _one(connection: psycopg.Connection[tuple[Any, ...]], query: LiteralString | str) -> Any:
    return connection.execute(query.encode()).fetchall()[0][0]


def only(schema: str) -> str:
    """Return the option of pg_dump for one schema, whose name is a pattern there if it is not quoted."""
    return f"--schema={_quoted(schema)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
