"""The environment's database, written out: its roles, what they may do, and the logins of its identities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from benchmarks.flat.place import Place


@dataclass(frozen=True)
class Database:
    """The database, where it is, its group roles, and what must be there before anybody logs in."""

    server: postgresql.Provider
    passwords: random.Provider
    served: dict[str, Any]
    groups: dict[str, postgresql.Role]
    ready: list[pulumi.Resource]


def make_database(place: Place, service: Mapping[str, str]) -> Database:
    """Make the database on the server of a libpq service, its roles and schema, and what they may do."""
    where = {"host": service["host"], "port": int(service["port"]), "sslmode": service["sslmode"]}
    provider = postgresql.Provider(
        f"{place.name}-store-database",
        host=service["host"],
        port=int(service["port"]),
        sslmode=service["sslmode"],
        username=service["user"],
        password=pulumi.Output.secret(service["password"]),
        database=service["dbname"],
        opts=pulumi.ResourceOptions(parent=place.parent),
    )
    passwords = random.Provider(f"{place.name}-store-passwords", opts=pulumi.ResourceOptions(parent=place.parent))
    prefix, opts = f"{place.name}-store-database", place.under(provider)

    def group(suffix: str, *members_of: postgresql.Role) -> postgresql.Role:
        return postgresql.Role(
            f"{prefix}-{suffix}",
            name=place.role(f"_{suffix}"),
            login=False,
            roles=[role.name for role in members_of],
            opts=opts,
        )

    name = postgresql.Database(
        prefix,
        name=place.role(),
        owner=group("owner").name,
        template="template0",
        encoding="UTF8",
        lc_collate="C",
        lc_ctype="C",
        opts=place.under(provider, protect=True),
    ).name
    alice = group("b-alice")
    rw, ro = group("rw", alice), group("ro")
    schema = postgresql.Schema(
        f"{prefix}-bucket-alice", name="alice", database=name, owner=alice.name, drop_cascade=True, opts=opts
    ).name
    ready: list[pulumi.Resource] = [
        postgresql.Grant(
            f"{prefix}-{grant}",
            database=name,
            role=role,
            object_type=kind,
            schema=within,
            privileges=privileges,
            opts=opts,
        )
        for grant, role, kind, within, privileges in (
            ("public", "public", "database", None, []),
            ("rw-database", rw.name, "database", None, ["CONNECT", "TEMPORARY"]),
            ("ro-database", ro.name, "database", None, ["CONNECT"]),
            ("rw-schema", rw.name, "schema", "public", ["CREATE", "USAGE"]),
            ("ro-schema", ro.name, "schema", "public", ["USAGE"]),
            ("bucket-alice-database", alice.name, "database", None, ["CONNECT", "TEMPORARY"]),
            ("bucket-alice-ro-schema", ro.name, "schema", schema, ["USAGE"]),
        )
    ]
    ready += [
        postgresql.DefaultPrivileges(
            f"{prefix}-{identity}-readable-{kind}s",
            database=name,
            schema=within,
            owner=maker.name,
            role=ro.name,
            object_type=kind,
            privileges=["SELECT"],
            opts=opts,
        )
        for identity, maker, within in (("rw", rw, "public"), ("bucket-alice", alice, schema))
        for kind in ("table", "sequence")
    ]
    groups = {"rw": rw, "ro": ro, "bucket-alice": alice}
    return Database(provider, passwords, {**where, "name": name}, groups, ready)


def login(place: Place, database: Database, identity: str, bucket: str | None) -> pulumi.Output[str]:
    """Make an identity's login role, and return the libpq service file."""
    logical = f"{place.name}-store-database-{identity}-1"
    password = random.RandomPassword(
        f"{logical}-password", length=40, special=False, opts=place.under(database.passwords)
    ).result
    group = database.groups[identity].name
    role = postgresql.Role(
        logical,
        name=place.role(f"_{identity}_1"),
        login=True,
        password=password,
        roles=[group],
        assume_role=group,
        search_paths=[bucket or "public"],
        skip_reassign_owned=True,
        opts=pulumi.ResourceOptions(parent=place.parent, provider=database.server, depends_on=database.ready),
    )
    return pulumi.Output.format(
        "[store]\nhost={host}\nport={port}\ndbname={name}\nsslmode={sslmode}\nuser={user}\npassword={password}\n",
        **database.served,
        user=role.name,
        password=password,
    )
