"""Databases and schemas."""

from __future__ import annotations

from psycopg.sql import SQL, Identifier, Literal

from rehearsal.plugins.postgresql.server import Cursor, Server
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.tabular import Kind


class Database(Kind[Server]):
    """A database, which can't be made or dropped in a transaction."""

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Make it of its template."""
        name = wanted["name"]
        parts = [SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(Identifier, (name, wanted["template"])))]
        if wanted.get("owner"):
            parts.append(SQL("OWNER {}").format(Identifier(wanted["owner"])))
        texts = {"encoding": "ENCODING", "lcCollate": "LC_COLLATE", "lcCtype": "LC_CTYPE"}
        parts += [SQL(f"{word} {{}}").format(Literal(wanted[key])) for key, word in texts.items() if wanted.get(key)]
        parts += [SQL("ALLOW_CONNECTIONS {}").format(Literal(wanted["allowConnections"]))]
        parts += [SQL("CONNECTION LIMIT {}").format(Literal(wanted["connectionLimit"]))]
        statement = SQL(" ").join(parts)
        remote.do(f"creating database {name}", lambda cursor: cursor.execute(statement), alone=True)
        return name, {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """All of it but its template, which the server forgets."""
        query = """SELECT datname AS name, datname AS id, pg_get_userbyid(datdba) AS owner,
            pg_encoding_to_char(encoding) AS encoding, datcollate AS "lcCollate", datctype AS "lcCtype",
            datconnlimit AS "connectionLimit", datallowconn AS "allowConnections"
            FROM pg_database WHERE datname = %(name)s"""
        found = remote.rows(f"reading database {identifier}", query, {"name": known.get("name", identifier)})
        return found[0] if found else None

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:
        """Rename it, and set what differs or not: it costs nothing."""
        name = Identifier(wanted["name"])
        steps = []
        if old["name"] != wanted["name"]:
            steps.append(SQL("RENAME TO {}").format(name))
        if wanted.get("owner"):
            steps.append(SQL("OWNER TO {}").format(Identifier(wanted["owner"])))
        steps.append(SQL("ALLOW_CONNECTIONS {}").format(Literal(wanted["allowConnections"])))
        steps.append(SQL("CONNECTION LIMIT {}").format(Literal(wanted["connectionLimit"])))

        def work(cursor: Cursor) -> None:
            for step in steps:
                renames = step is steps[0] and old["name"] != wanted["name"]
                cursor.execute(SQL("ALTER DATABASE {} {}").format(Identifier(old["name"]) if renames else name, step))

        remote.do(f"updating database {old['name']}", work)

    def delete(self, remote: Server, state: Properties) -> None:
        """Drop it; the sessions of others end, as with the official provider."""
        statement = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(state["name"]))
        remote.do(f"deleting database {state['name']}", lambda cursor: cursor.execute(statement), alone=True)


class Schema(Kind[Server]):
    """A schema of a database; its id is `database.schema`."""

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Make it, or take over the one that is there."""
        name, database = wanted["name"], wanted.get("database") or remote.database
        words = SQL("CREATE SCHEMA IF NOT EXISTS {}" if wanted["ifNotExists"] else "CREATE SCHEMA {}")

        def work(cursor: Cursor) -> None:
            cursor.execute(words.format(Identifier(name)))
            if wanted.get("owner"):
                cursor.execute(SQL("ALTER SCHEMA {} OWNER TO {}").format(*map(Identifier, (name, wanted["owner"]))))

        remote.do(f"creating schema {database}.{name}", work, database)
        return f"{database}.{name}", {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """Look for the database first: there is no connection to one that is gone."""
        database, _, name = identifier.partition(".")
        database, name = known.get("database", database), known.get("name", name)
        if not remote.has_database(database):
            return None
        query = "SELECT nspname AS name, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = %(name)s"
        found = remote.rows(f"reading schema {identifier}", query, {"name": name}, database)
        return {**found[0], "database": database, "id": f"{database}.{name}"} if found else None

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:
        """Rename it, and give it its owner."""

        def work(cursor: Cursor) -> None:
            names = (old["name"], wanted["name"])
            if old["name"] != wanted["name"]:
                cursor.execute(SQL("ALTER SCHEMA {} RENAME TO {}").format(*map(Identifier, names)))
            if wanted.get("owner"):
                owner = Identifier(wanted["owner"])
                cursor.execute(SQL("ALTER SCHEMA {} OWNER TO {}").format(Identifier(wanted["name"]), owner))

        remote.do(f"updating schema {old['id']}", work, old["database"])

    def delete(self, remote: Server, state: Properties) -> None:
        """Drop it, with what is in it only where the program says so."""
        if not remote.has_database(state["database"]):
            return
        words = SQL("DROP SCHEMA IF EXISTS {} CASCADE" if state.get("dropCascade") else "DROP SCHEMA IF EXISTS {}")
        statement = words.format(Identifier(state["name"]))
        remote.do(f"deleting schema {state['id']}", lambda cursor: cursor.execute(statement), state["database"])
