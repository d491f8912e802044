"""A stand-in for the official `pulumi-postgresql` provider: databases, schemas, roles and what these may do.

Inputs, outputs, ids and imports are the official one's for what `KINDS` lists; all else is refused by name. But here
a database's form is said in full, and a password that was changed by hand stays so.
"""

# ruff: noqa: D102 - the methods are those of `Kind`, which says what each does.

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from rehearsal.files import as_file
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError, run
from rehearsal.plugins.tabular import Kind, TabularProvider, persistently

Cursor = psycopg.Cursor[dict[str, Any]]
Work = Callable[[Cursor], Iterable[Composed]]
# Any fixed number: the server answers "tuple concurrently updated" when two sessions grant at once.
LOCK: Final = 0x7E44A
# What passes: a server that starts, is full or unreachable (libpq gives no code for these), deadlocks, crossed updates.
_PASSING = re.compile("refused|reset by peer|starting up|shutting down|too many|closed the connection|concurrently upd")
_PASSING_CODES = frozenset({"40001", "40P01", "57P03", "53300"})
_GIVEN = ("host", "port", "password", "sslmode", "sslrootcert")
_HANDING_OVER = ("REASSIGN OWNED BY {name} TO CURRENT_USER", "DROP OWNED BY {name}")
_TEXTS = ("encoding", "lcCollate", "lcCtype")
PRIVILEGES: Final = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("CREATE", "USAGE"),
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "sequence": ("USAGE", "SELECT", "UPDATE"),
}


class Server:
    """The server: a connection for each task, in turns; `stopping` is set when the engine cancels."""

    def __init__(self, settings: Mapping[str, str], stopping: threading.Event) -> None:
        self.stopping = stopping
        self.database = settings.get("database") or "postgres"
        # The official provider's defaults.
        given: dict[str, Any] = {"connect_timeout": settings.get("connectTimeout") or "180"}
        given |= {"port": "5432", "user": settings.get("username") or "postgres", "sslmode": "require"}
        # With `clientcert.sslinline` the official one takes authorities as text; libpq reads files alone.
        self.parameters = given | {name: as_file(settings[name]) for name in _GIVEN if settings.get(name)}
        self.turn = threading.Lock()

    def do(self, doing: str, work: Work, database: str = "", *, alone: bool = False) -> None:
        """Run statements in a transaction, `alone` outside of one, while no other session of a provider does."""

        def turn(cursor: Cursor) -> None:
            with self.turn:
                while not cursor.execute("SELECT pg_try_advisory_lock(%s) AS mine", [LOCK]).fetchall()[0]["mine"]:
                    if self.stopping.wait(0.1):
                        raise ProviderError(f"{doing}: cancelled while another session made changes")
                with nullcontext() if alone else cursor.connection.transaction():
                    for statement in work(cursor):
                        cursor.execute(statement)

        self.ask(doing, turn, database)

    def ask(self, doing: str, work: Callable[[Cursor], Any], database: str = "") -> Any:
        """Work on a connection of its own: one that stayed open would keep a database from being dropped."""

        def attempt() -> Any:
            more: Any = {"dbname": database or self.database, "autocommit": True}
            with closing(psycopg.connect(row_factory=dict_row, **more, **self.parameters)) as session:
                return work(session.cursor())

        try:
            return persistently(attempt, _worth, self.stopping)
        except psycopg.Error as error:
            # Not its whole text: that quotes the statement.
            said = [error.diag.message_primary or str(error), error.diag.message_detail, error.diag.message_hint]
            raise ProviderError(f"{doing}: {'; '.join(part for part in said if part)}") from error

    def rows(self, doing: str, query: str, values: Properties, database: str = "") -> list[dict[str, Any]]:
        """The answer to a query that is put together from constants; none where the database is gone."""
        there = SQL("SELECT FROM pg_database WHERE datname = %s")
        if database and not self.ask(doing, lambda cursor: cursor.execute(there, [database]).fetchall()):
            return []
        return list(self.ask(doing, lambda cursor: cursor.execute(SQL(query), values).fetchall(), database))


def _worth(error: Exception) -> int:
    passing = isinstance(error, psycopg.Error) and (error.sqlstate in _PASSING_CODES or _PASSING.search(str(error)))
    return 9 if passing else 0


class Schema(Kind[Server]):
    """A schema, and what is made likewise. One that is there is taken over, as by the official provider."""

    word = "schema"
    creation, removal = "CREATE SCHEMA IF NOT EXISTS {name}", "DROP SCHEMA IF EXISTS {name}"
    query = "SELECT nspname AS name, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = %(name)s"

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        new = {"name": wanted["name"]}
        self._do(remote, "creating", wanted, lambda on: (_statement(self.creation, wanted), *self.put(on, new, wanted)))
        return _id(wanted), {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        parts = identifier.split(".", 1) if "database" in self.inputs else [None, identifier]
        place = known or dict(zip(("database", "name"), parts, strict=True))
        found = remote.rows(f"reading {self.word} {identifier}", self.query, place, place.get("database") or "")
        return {**place, **found[0], "id": _id({**place, **found[0]})} if found else None

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:
        self._do(remote, "updating", old, lambda cursor: self.put(cursor, old, wanted))

    def delete(self, remote: Server, state: Properties) -> None:
        if self.read(remote, state["id"], state):
            self._delete(remote, state, self.removal + " CASCADE" * bool(state.get("dropCascade")))

    def put(self, cursor: Cursor, old: Properties, wanted: Properties) -> Iterator[Composed]:  # noqa: ARG002 - for roles
        """The statements that give it its name and owner."""
        if old["name"] != wanted["name"]:
            yield _statement(f"ALTER {self.word} {{old}} RENAME TO {{name}}", {**wanted, "old": old["name"]})
        if "owner" in wanted:
            yield _statement(f"ALTER {self.word} {{name}} OWNER TO {{owner}}", wanted)

    def _delete(self, remote: Server, state: Properties, *every: str) -> None:
        self._do(remote, "deleting", state, lambda _: [_statement(words, state) for words in every])

    def _do(self, remote: Server, verb: str, values: Properties, work: Work) -> None:
        doing, where = f"{verb} {self.word} {_id(values)}", values.get("database", "")
        remote.do(doing, work, where, alone=self.word == "database")


class Database(Schema):
    """A database, which can't be made or dropped in a transaction; the sessions of others end when it is dropped."""

    word = "database"
    creation = """CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} ENCODING {encoding}
        LC_COLLATE {lcCollate} LC_CTYPE {lcCtype}"""
    removal = "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    query = """SELECT datname AS name, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
        datcollate AS "lcCollate", datctype AS "lcCtype" FROM pg_database WHERE datname = %(name)s"""


class Role(Schema):
    """A role; what it owns is handed over before it is dropped, as far as this connection's database goes."""

    word = "role"
    creation, removal = "CREATE ROLE {name}", "DROP ROLE IF EXISTS {name}"
    query = """SELECT rolname AS name, rolcanlogin AS login, ARRAY(SELECT DISTINCT pg_get_userbyid(roleid)::text
            FROM pg_auth_members WHERE member = r.oid ORDER BY 1) AS roles,
        ARRAY(SELECT trim('"' FROM path) FROM unnest(rolconfig) AS item, string_to_table(substr(item, 13), ', ') AS path
            WHERE starts_with(item, 'search_path=')) AS "searchPaths",
        (SELECT substr(item, 6) FROM unnest(rolconfig) AS item WHERE starts_with(item, 'role=')) AS "assumeRole"
        FROM pg_roles r WHERE rolname = %(name)s"""

    def put(self, cursor: Cursor, old: Properties, wanted: Properties) -> Iterator[Composed]:
        """Those that set whether it logs in and how, its memberships, and how its sessions start, too."""
        yield from super().put(cursor, old, wanted)
        start = SQL("ALTER ROLE {} ").format(name := Identifier(wanted["name"]))
        yield start + SQL("LOGIN" if wanted["login"] else "NOLOGIN")
        if wanted.get("password") != old.get("password"):
            given, user = (wanted.get("password") or "").encode(), wanted["name"].encode()
            # Hashed here: a server that logs its statements would log the password.
            made = cursor.connection.pgconn.encrypt_password(given, user, b"scram-sha-256").decode()
            yield start + SQL("PASSWORD {}").format(Literal(made if given else None))
        before, after = (set(values.get("roles") or ()) for values in (old, wanted))
        for words, names in (("REVOKE {} FROM {}", before - after), ("GRANT {} TO {}", after - before)):
            if names:
                yield SQL(words).format(SQL(", ").join(map(Identifier, sorted(names))), name)
        for setting, values in (("search_path", wanted.get("searchPaths")), ("role", [wanted.get("assumeRole")])):
            items = [Identifier(value) for value in values or () if value]
            words = f"SET {setting} TO {{}}" if items else f"RESET {setting}"
            yield start + SQL(words).format(SQL(", ").join(items))

    def _delete(self, remote: Server, state: Properties, *every: str) -> None:
        # In a transaction of its own: one that can't be dropped, as it owns something elsewhere, still loses its key.
        super()._delete(remote, state, "ALTER ROLE {name} NOLOGIN")
        super()._delete(remote, state, *(() if state.get("skipReassignOwned") else _HANDING_OVER), *every)


def _id(values: Properties) -> str:
    return ".".join(values[name] for name in ("database", "name") if values.get(name))


def _statement(words: str, values: Properties) -> Composed:
    """The statement with the values' texts in it, quoted."""
    kinds = {name: Literal if name in _TEXTS else Identifier for name in values}
    return SQL(words).format(**{name: kinds[name](item) for name, item in values.items() if isinstance(item, str)})


class Grant(Kind[Server]):
    """A role's privileges on a database or a schema: those given, and no other."""

    start, about = "", {"database": "DATABASE {database}", "schema": "SCHEMA {schema}"}
    names: tuple[str, ...] = ("role", "database", "schema", "objectType")
    query = """SELECT DISTINCT privilege_type AS name FROM aclexplode(CASE %(objectType)s WHEN 'schema'
        THEN (SELECT coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = %(schema)s)
        ELSE (SELECT coalesce(datacl, acldefault('d', datdba)) FROM pg_database WHERE datname = %(database)s) END)
        WHERE grantee = coalesce((SELECT oid FROM pg_roles WHERE rolname = %(role)s), 0) ORDER BY 1"""

    def problems(self, given: Properties) -> dict[str, str]:
        kind = given.get("objectType", next(iter(self.about)))
        if kind not in self.about:
            return {"objectType": f"there is no {kind} here; there are {', '.join(self.about)}"}
        strange = sorted(set(given.get("privileges", ())) - set(PRIVILEGES[kind]))
        said = f"a {kind} has no {', '.join(strange)}; it has {', '.join(PRIVILEGES[kind])}"
        return {"privileges": said} if strange else {}

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        self._put(remote, "granting", wanted)
        return "_".join(wanted[name] for name in self.names if name in wanted), {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        if not self._there(remote, known):
            return None
        found = remote.rows(f"reading the grant {identifier}", self.query, {"schema": None, **known}, known["database"])
        return {**known, "privileges": [row["name"] for row in found]}

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:  # noqa: ARG002 - as all kinds
        self._put(remote, "changing the grant of", wanted)

    def delete(self, remote: Server, state: Properties) -> None:
        if self._there(remote, state):
            self._put(remote, "revoking", {**state, "privileges": []})

    def _there(self, remote: Server, known: Properties) -> bool:
        """Whether database, schema and roles are there: what is granted went with them."""
        query = """SELECT WHERE (%(schema)s::text IS NULL OR %(schema)s IN (SELECT nspname FROM pg_namespace))
            AND %(roles)s::text[] <@ ARRAY(SELECT rolname::text FROM pg_roles)"""
        roles = [known[name] for name in ("role", "owner") if known.get(name, "public") != "public"]
        return bool(remote.rows("reading rights", query, {"schema": None, **known, "roles": roles}, known["database"]))

    def _put(self, remote: Server, verb: str, wanted: Properties) -> None:
        """Revoke all and grant what is wanted, in one transaction: nobody sees what is between."""
        kind, database, role = wanted["objectType"], wanted["database"], wanted["role"]
        doing, on = f"{verb} {kind} privileges in {database} to {role}", self.about[kind]
        if "{schema}" in on and "schema" not in wanted:
            raise ProviderError(f"{doing}: schema is required")
        to = "PUBLIC" if role == "public" else "{role}"
        statements = [f"{self.start}REVOKE ALL ON {on} FROM {to}"]
        # Of the table's words only: they are no identifiers, which could be quoted.
        if given := [word for word in PRIVILEGES[kind] if word in wanted["privileges"]]:
            statements.append(f"{self.start}GRANT {', '.join(given)} ON {on} TO {to}")

        # Databases' rights are the server's: in one place, where one session waits for the other.
        where = "" if kind == "database" else database
        remote.do(doing, lambda _: [_statement(words, wanted) for words in statements], where)


class DefaultPrivileges(Grant):
    """A role's privileges on what an owner will make in a schema."""

    start = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "
    about = {"table": "TABLES", "sequence": "SEQUENCES"}  # noqa: RUF012 - nobody changes it
    names = ("role", "database", "schema", "owner", "objectType")
    query = """SELECT DISTINCT privilege_type AS name FROM pg_default_acl, aclexplode(defaclacl)
        WHERE defaclobjtype::text = CASE %(objectType)s WHEN 'table' THEN 'r' ELSE 'S' END
        AND pg_get_userbyid(defaclrole) = %(owner)s
        AND defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
        AND grantee = coalesce((SELECT oid FROM pg_roles WHERE rolname = %(role)s), 0) ORDER BY 1"""


_GRANTED = ("role", "database", "objectType", "privileges")
_OF_ROLES: Properties = dict.fromkeys(("password", "roles", "searchPaths", "assumeRole"))
_OF_ROLES |= {"login": False, "skipReassignOwned": False}
KINDS: Final[Mapping[str, Kind[Server]]] = {
    "index/database:Database": Database(
        ("name", "owner", *_TEXTS), {"template": "template0"}, key=("name",), fixed=("template", *_TEXTS)
    ),
    "index/schema:Schema": Schema(
        ("name", "database", "owner"), {"dropCascade": False}, key=("name", "database"), fixed=("database",)
    ),
    "index/role:Role": Role(("name",), _OF_ROLES, key=("name",), fixed=(), ordered=("searchPaths",)),
    "index/grant:Grant": Grant(_GRANTED, {"schema": None}, key=Grant.names, importable=False),
    "index/defaultPrivileges:DefaultPrivileges": DefaultPrivileges(
        (*_GRANTED, "owner", "schema"), key=DefaultPrivileges.names, importable=False
    ),
}


class Provider(TabularProvider[Server]):
    """The operations, on one server."""

    package = "postgresql"
    remote = Server
    kinds = KINDS
    hidden = frozenset({"password"})
    settings = frozenset({*_GIVEN, "clientcert", "username", "database", "connectTimeout", "superuser"})
    instead = "leave it out, or use Pulumi's own plugin"


def main() -> None:
    """Serve one engine."""
    run(Provider)
