"""Roles and their memberships."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from rehearsal.plugins.postgresql.server import Cursor, Server, identifiers, rows
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.tabular import Kind

FLAGS = {
    "superuser": "SUPERUSER",
    "createDatabase": "CREATEDB",
    "createRole": "CREATEROLE",
    "inherit": "INHERIT",
    "login": "LOGIN",
    "replication": "REPLICATION",
    "bypassRowLevelSecurity": "BYPASSRLS",
}
_HASHED = ("SCRAM-SHA-256$", "md5")
_READ = """SELECT rolname AS name, rolname AS id, rolsuper AS superuser, rolcreatedb AS "createDatabase",
    rolcreaterole AS "createRole", rolinherit AS inherit, rolcanlogin AS login, rolreplication AS replication,
    rolbypassrls AS "bypassRowLevelSecurity", rolconnlimit AS "connectionLimit", rolconfig AS config,
    coalesce(rolvaliduntil::text, 'infinity') AS "validUntil",
    ARRAY(SELECT DISTINCT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = r.oid ORDER BY 1) AS roles
    FROM pg_roles r WHERE rolname = %(name)s"""


def verifies(verifier: str, password: str) -> bool:
    """Whether a SCRAM verifier (RFC 5803) is that of a password; of what can't be told, true."""
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):(.+)\$(.+):(.+)", verifier)
    if not found or not password.isascii() or password.startswith(("SCRAM-SHA-256$", "md5")):
        return bool(verifier)
    salt = base64.b64decode(found[2])
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, int(found[1]))
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(base64.b64decode(found[3]), key)


class Role(Kind[Server]):
    """A role, made and changed in one transaction."""

    def problems(self, given: Properties) -> dict[str, str]:
        """What the server would refuse, or keep in another form than it was given."""
        found = {}
        if _moment(given.get("validUntil", "infinity")) is None:
            found["validUntil"] = "give a time such as 2030-01-01 00:00:00+00, or infinity"
        if any('"' in path or ", " in path for path in given.get("searchPaths", ())):
            found["searchPaths"] = "a schema's name can't have quotes, or a comma and a blank, here"
        return found

    def alike(self, name: str, one: Any, other: Any) -> bool:
        """A time is the same in any form."""
        return _moment(one) == _moment(other) if name == "validUntil" else super().alike(name, one, other)

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Make it with all it has."""
        name = wanted["name"]

        def work(cursor: Cursor) -> None:
            options = SQL(" ").join(_options(cursor, {}, wanted))
            cursor.execute(SQL("CREATE ROLE {} WITH {}").format(Identifier(name), options))
            _join(cursor, wanted)
            _set(cursor, {}, wanted)

        remote.do(f"creating role {name}", work)
        return name, {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """All of it but its password, which is compared where the server lets it be."""
        name = known.get("name", identifier)
        doing = f"reading role {name}"
        found = remote.rows(doing, _READ, {"name": name})
        if not found:
            return None
        role = found[0]
        config = dict(item.split("=", 1) for item in role.pop("config") or ())
        paths = [path.strip('"') for path in config.get("search_path", "").split(", ") if path]
        role |= {"searchPaths": paths, "assumeRole": config.get("role")}
        if known.get("password") and role["login"] and remote.superuser:
            query = "SELECT coalesce(rolpassword, '') AS verifier FROM pg_authid WHERE rolname = %(name)s"
            verifier = remote.rows(doing, query, {"name": name})[0]["verifier"]
            role["password"] = known["password"] if verifies(verifier, known["password"]) else verifier or "NULL"
        return role

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:
        """Change what differs: some options may only be named by a superuser, even to say what is so already."""

        def work(cursor: Cursor) -> None:
            name = Identifier(wanted["name"])
            if old["name"] != wanted["name"]:
                cursor.execute(SQL("ALTER ROLE {} RENAME TO {}").format(Identifier(old["name"]), name))
            if options := _options(cursor, old, wanted):
                cursor.execute(SQL("ALTER ROLE {} WITH {}").format(name, SQL(" ").join(options)))
            _join(cursor, wanted)
            _set(cursor, old, wanted)

        remote.do(f"updating role {old['name']}", work)

    def delete(self, remote: Server, state: Properties) -> None:
        """Hand over what it owns, as far as this connection's database and those of all go, and drop it."""
        name = Identifier(state["name"])

        def work(cursor: Cursor) -> None:
            if not rows(cursor, "SELECT FROM pg_roles WHERE rolname = %(name)s", {"name": state["name"]}):
                return
            if not state.get("skipReassignOwned"):
                cursor.execute(SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(name))
                cursor.execute(SQL("DROP OWNED BY {}").format(name))
            if not state.get("skipDropRole"):
                cursor.execute(SQL("DROP ROLE {}").format(name))

        remote.do(f"deleting role {state['name']}", work)


class GrantRole(Kind[Server]):
    """A membership."""

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Grant it anew: the option of one that is there would stay."""
        group, member, option = wanted["grantRole"], wanted["role"], wanted["withAdminOption"]
        words = "GRANT {} TO {} WITH ADMIN OPTION" if option else "GRANT {} TO {}"

        def work(cursor: Cursor) -> None:
            for statement in ("REVOKE {} FROM {}", words):
                cursor.execute(SQL(statement).format(Identifier(group), Identifier(member)))

        remote.do(f"granting role {group} to {member}", work)
        return f"{member}_{group}_{str(option).lower()}", {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """Look for it among the server's."""
        query = """SELECT bool_or(admin_option) AS admin FROM pg_auth_members
            WHERE pg_get_userbyid(roleid) = %(grantRole)s AND pg_get_userbyid(member) = %(role)s HAVING count(*) > 0"""
        found = remote.rows(f"reading the grant {identifier}", query, known)
        return {**known, "withAdminOption": found[0]["admin"]} if found else None

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:
        """Nothing of it can be changed: all its inputs are fixed."""

    def delete(self, remote: Server, state: Properties) -> None:
        """Revoke it, where both roles are still there."""

        def work(cursor: Cursor) -> None:
            names = [state["grantRole"], state["role"]]
            if len(rows(cursor, "SELECT FROM pg_roles WHERE rolname = ANY(%(names)s)", {"names": names})) == 2:
                cursor.execute(SQL("REVOKE {} FROM {}").format(*map(Identifier, names)))

        remote.do(f"revoking role {state['grantRole']} from {state['role']}", work)


def _options(cursor: Cursor, old: Properties, wanted: Properties) -> list[Composable]:
    """What follows `WITH`, where it differs from what was."""
    found: list[Composable] = [
        SQL(word if wanted[flag] else f"NO{word}")
        for flag, word in FLAGS.items()
        if wanted[flag] != old.get(flag, not wanted[flag])
    ]
    if wanted["connectionLimit"] != old.get("connectionLimit"):
        found.append(SQL("CONNECTION LIMIT {}").format(Literal(wanted["connectionLimit"])))
    if wanted["validUntil"] != old.get("validUntil"):
        found.append(SQL("VALID UNTIL {}").format(Literal(wanted["validUntil"])))
    password = wanted.get("password") or "NULL"
    if password != (old.get("password") or "NULL"):
        found.append(SQL("PASSWORD {}").format(_verifier(cursor, password, wanted["name"])))
    return found


def _verifier(cursor: Cursor, password: str, name: str) -> Composable:
    if password.upper() == "NULL":
        return SQL("NULL")
    if password.startswith(_HASHED):
        return Literal(password)
    # Made here: a server that logs its statements would log the password.
    made = cursor.connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return Literal(made.decode())


def _join(cursor: Cursor, wanted: Properties) -> None:
    """Make it a member of the roles that are wanted, and of no other, as the official provider does."""
    query = (
        "SELECT DISTINCT pg_get_userbyid(roleid)::text AS name FROM pg_auth_members WHERE member = %(name)s::regrole"
    )
    quoted = Identifier(wanted["name"]).as_string(cursor)
    there = {row["name"] for row in rows(cursor, query, {"name": quoted})}
    for words, names in (
        ("REVOKE {} FROM {}", there - set(_roles(wanted))),
        ("GRANT {} TO {}", set(_roles(wanted)) - there),
    ):
        if names:
            cursor.execute(SQL(words).format(identifiers(sorted(names)), Identifier(wanted["name"])))


def _roles(wanted: Properties) -> list[str]:
    return wanted.get("roles") or []


def _set(cursor: Cursor, old: Properties, wanted: Properties) -> None:
    """Set what a session of it starts with."""
    paths, role = wanted.get("searchPaths") or [], wanted.get("assumeRole") or ""
    for setting, values, before in (
        ("search_path", paths, old.get("searchPaths") or []),
        ("role", [role] if role else [], [old["assumeRole"]] if old.get("assumeRole") else []),
    ):
        if values != before:
            words = f"ALTER ROLE {{}} SET {setting} TO {{}}" if values else f"ALTER ROLE {{}} RESET {setting}"
            cursor.execute(SQL(words).format(Identifier(wanted["name"]), *([identifiers(values)] if values else [])))


def _moment(text: str) -> datetime | str | None:
    if text.lower() == "infinity":
        return "infinity"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
