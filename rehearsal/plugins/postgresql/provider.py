"""The table of kinds, and the provider's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rehearsal.plugins.postgresql.databases import Database, Schema
from rehearsal.plugins.postgresql.grants import DefaultPrivileges, Grant
from rehearsal.plugins.postgresql.roles import FLAGS, GrantRole, Role
from rehearsal.plugins.postgresql.server import Server
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import run
from rehearsal.plugins.tabular import Kind, TabularProvider

_GRANT = {"privileges": None, "role": None, "database": None, "schema": None, "objectType": None}
_GRANTED = ("database", "objectType", "privileges", "role")
KINDS: Final[Mapping[str, Kind[Server]]] = {
    "index/database:Database": Database(
        {
            **dict.fromkeys(("name", "owner", "encoding", "lcCollate", "lcCtype")),
            **{"template": "template0", "connectionLimit": -1, "allowConnections": True},
        },
        key=("name",),
        fixed=("template", "encoding", "lcCollate", "lcCtype"),
        named="name",
        filled=("owner", "encoding", "lcCollate", "lcCtype"),
    ),
    "index/schema:Schema": Schema(
        {"name": None, "database": None, "owner": None, "ifNotExists": True, "dropCascade": False},
        key=("name", "database"),
        fixed=("database",),
        named="name",
        filled=("database", "owner"),
    ),
    "index/role:Role": Role(
        {
            **dict.fromkeys(("name", "password", "roles", "searchPaths", "assumeRole")),
            **{"connectionLimit": -1, "validUntil": "infinity"},
            **{name: name == "inherit" for name in FLAGS},
            **{"skipDropRole": False, "skipReassignOwned": False},
        },
        key=("name",),
        named="name",
        sets=("roles",),
    ),
    "index/grant:Grant": Grant(
        {**_GRANT, "objects": None, "withGrantOption": False},
        required=_GRANTED,
        key=("role", "database", "schema", "objectType", "objects"),
        fixed=("role", "database", "schema", "objectType", "objects", "withGrantOption"),
        sets=("privileges", "objects"),
        importable=False,
    ),
    "index/grantRole:GrantRole": GrantRole(
        {"role": None, "grantRole": None, "withAdminOption": False},
        required=("role", "grantRole"),
        key=("role", "grantRole"),
        fixed=("role", "grantRole", "withAdminOption"),
        importable=False,
    ),
    "index/defaultPrivileges:DefaultPrivileges": DefaultPrivileges(
        {**_GRANT, "owner": None, "withGrantOption": False},
        required=(*_GRANTED, "owner"),
        key=("role", "database", "schema", "owner", "objectType"),
        fixed=("role", "database", "schema", "owner", "objectType", "withGrantOption"),
        sets=("privileges",),
        importable=False,
    ),
}


class Provider(TabularProvider[Server]):
    """The operations, on one server."""

    package = "postgresql"
    kinds = KINDS
    hidden = frozenset({"password"})
    settings = frozenset(
        {"host", "port", "username", "password", "database", "sslmode", "sslrootcert", "superuser"}
        | {"connectTimeout", "maxConnections", "scheme"}
    )

    def connect(self) -> Server:
        """Remember the settings: each task has a connection of its own."""
        return Server(self.given, self.stopping)

    def setting_problems(self, given: Properties) -> dict[str, str]:
        """Refuse servers of one cloud, which are reached in other ways."""
        other = str(given.get("scheme") or "postgres") != "postgres"
        return {"scheme": "the stand-in postgresql provider knows postgres only"} if other else {}


def main() -> None:
    """Serve one engine."""
    run(Provider)
