"""Privileges on what is there, and by default on what will be."""

from __future__ import annotations

from typing import Any

from psycopg.sql import SQL, Composable, Identifier

from rehearsal.plugins.postgresql.server import Cursor, Server, rows
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.plugins.tabular import Kind

PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("CREATE", "USAGE"),
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "sequence": ("USAGE", "SELECT", "UPDATE"),
    "function": ("EXECUTE",),
    "type": ("USAGE",),
}
# The server's letter in pg_default_acl.
_LETTERS = {"table": "r", "sequence": "S", "function": "f", "type": "T", "schema": "n"}
_RELATIONS = """SELECT relname AS name, relacl AS acl, relowner AS owner
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %(schema)s AND relkind = """
# For each type of object its letter in acldefault, and each object's name, privileges and owner.
_OBJECTS = {
    "database": (
        "d",
        "SELECT datname AS name, datacl AS acl, datdba AS owner FROM pg_database WHERE datname = %(database)s",
    ),
    "schema": (
        "n",
        "SELECT nspname AS name, nspacl AS acl, nspowner AS owner FROM pg_namespace WHERE nspname = %(schema)s",
    ),
    "table": ("r", f"{_RELATIONS} 'r'"),
    "sequence": ("s", f"{_RELATIONS} 'S'"),
    "function": (
        "f",
        """SELECT proname AS name, proacl AS acl, proowner AS owner
        FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = %(schema)s""",
    ),
}


class Grant(Kind[Server]):
    """A role's privileges on a database, a schema, or the objects in one: those given, and no other."""

    def problems(self, given: Properties) -> dict[str, str]:
        """What the official provider refuses."""
        kind = given.get("objectType", "")
        found = _privilege_problems(given, tuple(_OBJECTS))
        if kind in ("database", "schema") and given.get("objects"):
            found["objects"] = f"leave it out when objectType is {kind}"
        return found

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Revoke all and grant what is wanted, in one transaction: nobody sees what is between."""
        if wanted["objectType"] != "database" and not wanted.get("schema"):
            raise ProviderError(f"granting {wanted['objectType']} privileges: schema is required")
        self._put(remote, "granting", wanted)
        parts = [wanted["role"], wanted["database"], wanted["objectType"], *sorted(wanted.get("objects") or ())]
        if wanted["objectType"] != "database":
            parts.insert(2, wanted["schema"])
        return "_".join(parts), {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """The privileges on the first object that has others than are known, else those."""
        if not _there(remote, known, known["role"]):
            return None
        letter, objects = _OBJECTS[known["objectType"]]
        query = f"""SELECT name, ARRAY(
            SELECT DISTINCT privilege_type FROM aclexplode(coalesce(acl, acldefault('{letter}', owner)))
            WHERE grantee = coalesce((SELECT oid FROM pg_roles WHERE rolname = %(role)s), 0) ORDER BY 1) AS privileges
            FROM ({objects}) AS objects ORDER BY name"""  # noqa: S608 - of constants
        values = {"role": known["role"], "schema": known.get("schema"), "database": known["database"]}
        found = remote.rows(f"reading the grant {identifier}", query, values, known["database"])
        only = known.get("objects")
        others = (row["privileges"] for row in found if not only or row["name"] in only)
        return {**known, "privileges": next((one for one in others if set(one) != _meant(known)), known["privileges"])}

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:  # noqa: ARG002 - as all kinds
        """As when it is made."""
        self._put(remote, "changing the grant", wanted)

    def delete(self, remote: Server, state: Properties) -> None:
        """Revoke all, where there is still something to revoke it on."""
        if _there(remote, state, state["role"]):
            self._put(remote, "revoking", {**state, "privileges": []})

    def _put(self, remote: Server, verb: str, wanted: Properties) -> None:
        on, role = _target(wanted), _grantee(wanted["role"])

        def work(cursor: Cursor) -> None:
            cursor.execute(SQL("REVOKE ALL PRIVILEGES ON {} FROM {}").format(on, role))
            if wanted["privileges"]:
                words = (
                    "GRANT {} ON {} TO {} WITH GRANT OPTION" if wanted["withGrantOption"] else "GRANT {} ON {} TO {}"
                )
                cursor.execute(SQL(words).format(_privileges(wanted), on, role))

        # Databases' rights are the server's: in one place, where one session waits for the other.
        where = "" if wanted["objectType"] == "database" else wanted["database"]
        remote.do(f"{verb} {wanted['objectType']} privileges in {wanted['database']} to {wanted['role']}", work, where)


class DefaultPrivileges(Kind[Server]):
    """A role's privileges on what an owner will make."""

    def problems(self, given: Properties) -> dict[str, str]:
        """What the official provider refuses."""
        found = _privilege_problems(given, tuple(_LETTERS))
        if given.get("objectType") == "schema" and given.get("schema"):
            found["schema"] = "leave it out when objectType is schema"
        return found

    def create(self, remote: Server, wanted: Properties) -> tuple[str, Properties]:
        """Revoke all and grant what is wanted."""
        self._put(remote, "granting", wanted)
        schema = wanted.get("schema") or "noschema"
        return "_".join([wanted["role"], wanted["database"], schema, wanted["owner"], wanted["objectType"]]), {}

    def read(self, remote: Server, identifier: str, known: Properties) -> Properties | None:
        """None without any, as the official provider has it, unless none are wanted."""
        if not _there(remote, known, known["role"], known["owner"]):
            return None
        query = """SELECT DISTINCT privilege_type AS name FROM pg_default_acl, aclexplode(defaclacl)
            WHERE defaclobjtype = %(letter)s AND defaclrole = (SELECT oid FROM pg_roles WHERE rolname = %(owner)s)
            AND defaclnamespace = coalesce((SELECT oid FROM pg_namespace WHERE nspname = %(schema)s), 0)
            AND grantee = coalesce((SELECT oid FROM pg_roles WHERE rolname = %(role)s), 0) ORDER BY 1"""
        values = {"role": known["role"], "schema": known.get("schema") or "", "owner": known["owner"]}
        values["letter"] = _LETTERS[known["objectType"]]
        found = remote.rows(f"reading the grant {identifier}", query, values, known["database"])
        names = [row["name"] for row in found]
        if not names and known["privileges"]:
            return None
        return {**known, "privileges": known["privileges"] if set(names) == _meant(known) else names}

    def update(self, remote: Server, old: Properties, wanted: Properties) -> None:  # noqa: ARG002 - as all kinds
        """As when they are made."""
        self._put(remote, "changing", wanted)

    def delete(self, remote: Server, state: Properties) -> None:
        """Revoke all."""
        if _there(remote, state, state["role"], state["owner"]):
            self._put(remote, "revoking", {**state, "privileges": []})

    def _put(self, remote: Server, verb: str, wanted: Properties) -> None:
        place = SQL("IN SCHEMA {}").format(Identifier(wanted["schema"])) if wanted.get("schema") else SQL("")
        start = SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} {} ").format(Identifier(wanted["owner"]), place)
        on, role = SQL(wanted["objectType"].upper() + "S"), _grantee(wanted["role"])

        def work(cursor: Cursor) -> None:
            cursor.execute(start + SQL("REVOKE ALL ON {} FROM {}").format(on, role))
            if wanted["privileges"]:
                words = (
                    "GRANT {} ON {} TO {} WITH GRANT OPTION" if wanted["withGrantOption"] else "GRANT {} ON {} TO {}"
                )
                cursor.execute(start + SQL(words).format(_privileges(wanted), on, role))

        doing = f"{verb} default {wanted['objectType']} privileges in {wanted['database']} to {wanted['role']}"
        remote.do(doing, work, wanted["database"])


def _privilege_problems(given: Properties, kinds: tuple[str, ...]) -> dict[str, str]:
    kind = given.get("objectType", kinds[0])
    if kind not in kinds:
        return {"objectType": f"there is no {kind} here; there are {', '.join(kinds)}"}
    found = {}
    if strange := sorted(set(given.get("privileges", ())) - {"ALL", *PRIVILEGES[kind]}):
        found["privileges"] = f"a {kind} has no {', '.join(strange)}; it has ALL, {', '.join(PRIVILEGES[kind])}"
    return found


def _there(remote: Server, known: Properties, *roles: str) -> bool:
    """Whether database, roles and schema are there: what is granted went with them."""
    if not remote.has_database(known["database"]):
        return False
    names = sorted({name for name in roles if name != "public"})

    def look(cursor: Cursor) -> bool:
        found = rows(cursor, "SELECT FROM pg_roles WHERE rolname = ANY(%(names)s)", {"names": names})
        schema, query = known.get("schema"), "SELECT FROM pg_namespace WHERE nspname = %(schema)s"
        return len(found) == len(names) and (not schema or bool(rows(cursor, query, {"schema": schema})))

    return remote.ask("looking for what is granted", look, known["database"])


def _meant(known: Properties) -> set[str]:
    given = set(known["privileges"])
    return set(PRIVILEGES[known["objectType"]]) if "ALL" in given else given


def _privileges(wanted: Properties) -> Composable:
    # Words, not identifiers: what no table of this file has is left out, though `check` should have refused it.
    words = ("ALL", *PRIVILEGES[wanted["objectType"]])
    return SQL(", ").join([SQL(word) for word in words if word in wanted["privileges"]])


def _grantee(role: str) -> Composable:
    return SQL("PUBLIC") if role == "public" else Identifier(role)


def _target(wanted: Properties) -> Composable:
    kind: Any = wanted["objectType"]
    if kind in ("database", "schema"):
        return SQL(f"{kind.upper()} {{}}").format(Identifier(wanted[kind]))
    if not wanted.get("objects"):
        return SQL(f"ALL {kind.upper()}S IN SCHEMA {{}}").format(Identifier(wanted["schema"]))
    names = SQL(", ").join([Identifier(wanted["schema"], name) for name in sorted(wanted["objects"])])
    return SQL(f"{kind.upper()} {{}}").format(names)
